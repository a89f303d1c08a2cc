//! A GraphQL client over HTTP: JSON and multipart.

use bytes::Bytes;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Client {
    pub base: String,
    pub token: Option<String>,
    http: reqwest::Client,
}

impl Client {
    pub fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            token: None,
            http: reqwest::Client::new(),
        }
    }

    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same person over connections of their own.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            token: self.token.clone(),
            ..Self::new(&self.base)
        }
    }

    /// Somebody else, at another address of the network that is this machine too.
    pub fn from_address(base: &str, address: std::net::IpAddr) -> Self {
        Self {
            base: base.to_owned(),
            token: None,
            http: reqwest::Client::builder().local_address(address).build().unwrap(),
        }
    }

    /// The same person at another server.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    pub async fn login(&self, email: &str, password: &str) -> Self {
        let data = self
            .query(
                "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { accessToken } }",
                json!({ "email": email, "password": password }),
            )
            .await;
        self.with_token(data["login"]["accessToken"].as_str().unwrap())
    }

    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// The whole answer, errors and all.
    pub async fn raw(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let answer = self.request("/graphql").json(&body).send().await.expect("an answer");
        answer.json().await.expect("a JSON answer")
    }

    /// The data of an answer that has no errors.
    pub async fn query(&self, query: &str, variables: Value) -> Value {
        data(self.raw(query, variables).await)
    }

    /// The first error of an answer that has one.
    pub async fn error(&self, query: &str, variables: Value) -> Value {
        error(self.raw(query, variables).await)
    }

    /// Sends files by the multipart request specification: each goes to its path in the variables.
    pub async fn upload_raw(&self, query: &str, variables: Value, files: &[(&str, Bytes)]) -> Value {
        self.try_upload(query, variables, files).await.expect("a JSON answer")
    }

    /// The same where the server may not be there.
    pub async fn try_upload(
        &self,
        query: &str,
        variables: Value,
        files: &[(&str, Bytes)],
    ) -> Result<Value, reqwest::Error> {
        let map: serde_json::Map<String, Value> = files
            .iter()
            .enumerate()
            .map(|(i, (path, _))| (i.to_string(), json!([format!("variables.{path}")])))
            .collect();
        let mut form = reqwest::multipart::Form::new()
            .text(
                "operations",
                json!({ "query": query, "variables": variables }).to_string(),
            )
            .text("map", Value::Object(map).to_string());
        for (i, (_, bytes)) in files.iter().enumerate() {
            let part = reqwest::multipart::Part::stream(bytes.clone()).file_name("photo.jpg");
            form = form.part(i.to_string(), part);
        }
        self.request("/graphql").multipart(form).send().await?.json().await
    }

    pub async fn upload(&self, query: &str, variables: Value, files: &[(&str, Bytes)]) -> Value {
        data(self.upload_raw(query, variables, files).await)
    }

    pub async fn get(&self, url: &str) -> reqwest::Response {
        self.http.get(url).send().await.expect("an answer")
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an answer that was just received")]
pub fn data(answer: Value) -> Value {
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer["data"].clone()
}

#[expect(clippy::needless_pass_by_value, reason = "an answer that was just received")]
pub fn error(answer: Value) -> Value {
    let error = answer["errors"][0].clone();
    assert!(error.is_object(), "no error in {answer:#}");
    error
}

/// The code of the contract on the first error.
pub fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code in {answer:#}"))
}
