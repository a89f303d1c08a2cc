//! A long report takes no more memory than a short one: 200,000 lines with `MUSTER_LONG=1`.

use serde_json::json;
use service::Scope;
use service::accounts::NewAccount;
use service::kinds::Role;
use service::seed::{Plan, seed};
use tests::school::now;
use tests::world::{Mode, PASSWORD, Setup, address};

use crate::export;

/// What a process holds and has held at most, in kB.
fn memory(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (of("VmRSS:"), of("VmHWM:"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_report_is_not_held_in_memory() {
    const MOST_KB: u64 = 100 * 1024;
    let Some(world) = Setup::new(Mode::Processes).build().await else {
        return;
    };
    let email = address("seed");
    let admin = NewAccount {
        full_name: "Ada Admin",
        email: &email,
        password: PASSWORD,
        role: Role::Admin,
    };
    let long = std::env::var_os("MUSTER_LONG").is_some();
    let plan = Plan {
        seed: 3,
        organization: "Seeded".into(),
        timezone: "Europe/Madrid".into(),
        students: 300,
        sessions: if long { 6_700 } else { 350 },
        last: now().date_naive(),
    };
    let made = seed(&world.service, &Scope::System("test"), &plan, &admin, |_, _| ())
        .await
        .unwrap();
    let client = world.stranger().login(&email, PASSWORD).await;
    let range = json!({ "from": plan.last - chrono::Days::new(3000), "to": plan.last });
    for format in ["CSV", "XLSX"] {
        let worker = world.workers[0].id();
        let (before, _) = memory(worker);
        let job = export(&client, json!({ "range": range, "format": format })).await;
        let (_, most) = memory(worker);
        assert_eq!(job["export"]["rows"], made.marks);
        let rise = most.saturating_sub(before);
        println!(
            "{format}: {} lines, {} bytes, memory +{rise} kB",
            made.marks, job["export"]["byteSize"]
        );
        assert!(rise < MOST_KB, "{format}: {rise} kB more");
    }
}
