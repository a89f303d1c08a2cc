//! A headless Chromium, driven by the `WebDriver` protocol and, where that has no word for it, by Chromium's own.
//!
//! Source: <https://www.w3.org/TR/webdriver2/>

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::free_port;

/// Two busy cores may take their time.
const STARTS: Duration = Duration::from_mins(1);
const WAITS: Duration = Duration::from_secs(45);
const LOOK: Duration = Duration::from_millis(50);
const ENDS: Duration = Duration::from_secs(10);
/// By which `WebDriver` marks an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const ENTER: &str = "\u{e007}";
pub const DOWN: &str = "\u{e015}";
pub const DELETE: &str = "\u{e017}";

#[derive(Debug)]
pub struct Browser {
    driver: Child,
    http: reqwest::Client,
    /// Of the driver's session.
    base: String,
    profile: TempDir,
}

fn installed(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

impl Browser {
    /// None where there is no Chromium; where there must be one, that is a failure.
    pub async fn open() -> Option<Self> {
        let found = installed("chromedriver").zip(installed("chromium").or_else(|| installed("google-chrome")));
        let Some((driver, chromium)) = found else {
            assert!(
                std::env::var_os("MUSTER_REQUIRE_BROWSER").is_none_or(|set| set != "1"),
                "MUSTER_REQUIRE_BROWSER=1, but chromium and chromedriver are not both on the PATH"
            );
            eprintln!("skipped: there is no chromium with its chromedriver on the PATH");
            return None;
        };
        let profile = TempDir::new().unwrap();
        let port = free_port();
        let driver = Command::new(driver)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Self {
            driver,
            http: reqwest::Client::new(),
            base: format!("http://127.0.0.1:{port}"),
            profile,
        };
        browser.begin(&chromium).await;
        Some(browser)
    }

    async fn begin(&mut self, chromium: &Path) {
        let begun = Instant::now();
        while self.http.get(format!("{}/status", self.base)).send().await.is_err() {
            assert!(begun.elapsed() < STARTS, "chromedriver does not answer");
            tokio::time::sleep(LOOK).await;
        }
        let folder = format!("--user-data-dir={}", self.profile.path().display());
        let made = self
            .post(
                "/session",
                json!({ "capabilities": { "alwaysMatch": {
                    "browserName": "chrome",
                    "unhandledPromptBehavior": "accept",
                    "goog:chromeOptions": {
                        "binary": chromium,
                        "args": [
                            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                            "--disable-background-networking", "--disable-component-update", "--disable-sync",
                            "--disable-dev-shm-usage", "--lang=en-GB", folder,
                        ],
                    },
                    "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
                } } }),
            )
            .await;
        let session = made["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("no session: {made}"));
        self.base = format!("{}/session/{session}", self.base);
        // Chromium begins with a page of its own, whose requests are nobody's.
        self.go("about:blank").await;
        self.log("performance").await;
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.ask(path, body).await;
        assert!(answer["error"].is_null(), "{path}: {answer:#}");
        answer
    }

    /// The value of the answer, which may be an error.
    async fn ask(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.base);
        let answer = self.http.post(url).json(&body).send().await.expect("chromedriver");
        answer.json::<Value>().await.expect("JSON")["value"].take()
    }

    /// A command of Chromium's own protocol.
    pub async fn command(&self, name: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": name, "params": parameters }))
            .await
    }

    pub async fn go(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    pub async fn reload(&self) {
        self.post("/refresh", json!({})).await;
    }

    /// What a function's body returns; `arguments` are its arguments.
    pub async fn run(&self, script: &str, arguments: Value) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": arguments }))
            .await
    }

    /// Waits until an expression is true, and answers what it became.
    pub async fn until(&self, expression: &str) -> Value {
        let begun = Instant::now();
        let script = format!("return ({expression}) || null");
        loop {
            let found = self.ask("/execute/sync", json!({ "script": script, "args": [] })).await;
            if !found.is_null() && found["error"].is_null() {
                return found;
            }
            if begun.elapsed() > WAITS {
                let page = self
                    .run("return location.href + '\\n' + document.body.innerText", json!([]))
                    .await;
                let log = self.log("browser").await;
                panic!(
                    "never came: {expression}\n{}\n{log:#?}",
                    page.as_str().unwrap_or_default()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for an element, and answers its id.
    async fn find(&self, selector: &str) -> String {
        let begun = Instant::now();
        loop {
            let by = json!({ "using": "css selector", "value": selector });
            let found = self.ask("/element", by).await;
            if let Some(id) = found[ELEMENT].as_str() {
                return id.to_owned();
            }
            if begun.elapsed() > WAITS {
                let page = self
                    .run("return location.href + '\\n' + document.body.innerText", json!([]))
                    .await;
                panic!("there is no {selector}\n{}", page.as_str().unwrap_or_default());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub async fn click(&self, selector: &str) {
        let id = self.find(selector).await;
        self.post(&format!("/element/{id}/click"), json!({})).await;
    }

    /// Types into an element, or gives a file to an input.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let id = self.find(selector).await;
        self.post(&format!("/element/{id}/value"), json!({ "text": text }))
            .await;
    }

    /// Empties a field and types into it.
    pub async fn fill(&self, selector: &str, text: &str) {
        let id = self.find(selector).await;
        self.post(&format!("/element/{id}/clear"), json!({})).await;
        self.type_into(selector, text).await;
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let presses: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [
                    json!({ "type": "keyDown", "value": key }),
                    json!({ "type": "keyUp", "value": key }),
                ]
            })
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": presses }] });
        self.post("/actions", actions).await;
    }

    /// What a key says once more because it is held down.
    pub async fn hold(&self, key: char) {
        let parameters = json!({ "type": "keyDown", "key": key, "text": key, "autoRepeat": true });
        self.command("Input.dispatchKeyEvent", parameters).await;
    }

    pub async fn text(&self, selector: &str) -> String {
        let found = self
            .run(
                "return document.querySelector(arguments[0])?.innerText ?? ''",
                json!([selector]),
            )
            .await;
        found.as_str().unwrap().to_owned()
    }

    /// The windows there are, by their handles.
    pub async fn windows(&self) -> Vec<String> {
        let answer = self
            .http
            .get(format!("{}/window/handles", self.base))
            .send()
            .await
            .unwrap();
        let handles = answer.json::<Value>().await.unwrap();
        let handles = handles["value"].as_array().unwrap().iter();
        handles.map(|handle| handle.as_str().unwrap().to_owned()).collect()
    }

    pub async fn switch(&self, window: &str) {
        self.post("/window", json!({ "handle": window })).await;
    }

    /// What was logged since it was last asked for: `browser` is the console, `performance` the network.
    pub async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.ask("/se/log", json!({ "type": kind })).await;
        entries.as_array().cloned().unwrap_or_default()
    }

    /// The addresses that were asked for since the last time.
    pub async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        entries
            .iter()
            .filter_map(|entry| {
                let told: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
                let params = &told["message"]["params"];
                let url = match told["message"]["method"].as_str()? {
                    "Network.requestWillBeSent" => &params["request"]["url"],
                    "Network.webSocketCreated" => &params["url"],
                    _ => return None,
                };
                url.as_str().map(str::to_owned)
            })
            .collect()
    }

    /// A screen of this size, as a phone's where it is narrow.
    pub async fn screen(&self, width: u32, height: u32) {
        let phone = width < 600;
        let parameters = json!({ "width": width, "height": height, "deviceScaleFactor": if phone { 2 } else { 1 }, "mobile": phone });
        self.command("Emulation.setDeviceMetricsOverride", parameters).await;
    }

    pub async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.command("Emulation.setEmulatedMedia", features).await;
    }

    /// A PNG of the whole page.
    pub async fn picture(&self) -> Vec<u8> {
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        let shot = self.command("Page.captureScreenshot", parameters).await;
        BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }
}

impl Browser {
    /// Ends the driver's session, and with it Chromium, which outlives a driver that only ends.
    fn close(&self) -> io::Result<()> {
        let Some((host, path)) = self.base.trim_start_matches("http://").split_once('/') else {
            return Ok(());
        };
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(ENDS))?;
        write!(
            stream,
            "DELETE /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )?;
        stream.read(&mut [0]).map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            eprintln!("chromium may be left behind: {}: {error}", self.base);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
