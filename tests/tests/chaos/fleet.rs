//! The processes of the run. One that is killed is started again at once, as an orchestrator does, an api where it
//! was.

use tests::process::Process;
use tokio::sync::Mutex;

#[derive(Debug)]
struct Member {
    role: &'static str,
    /// As the database knows its connections.
    name: String,
    process: Process,
    asleep: bool,
}

#[derive(Debug)]
pub struct Fleet {
    settings: Vec<(String, String)>,
    members: Mutex<Vec<Member>>,
}

impl Fleet {
    pub async fn start(settings: Vec<(String, String)>, roles: &[&'static str]) -> Self {
        let fleet = Self {
            settings,
            members: Mutex::default(),
        };
        for (nth, role) in roles.iter().enumerate() {
            let member = fleet.launch(role, format!("{role}-{nth}"), None).await;
            fleet.members.lock().await.push(member);
        }
        fleet
    }

    async fn launch(&self, role: &'static str, name: String, base: Option<&str>) -> Member {
        let mut settings: Vec<(&str, &str)> = self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let url = settings.iter().find(|(name, _)| *name == "DATABASE_URL").unwrap().1;
        let url = format!("{url}?application_name={name}");
        settings.push(("DATABASE_URL", &url));
        let process = match base {
            Some(base) => Process::start_at(base, role, &settings).await,
            None => Process::start(role, &settings).await,
        };
        Member {
            role,
            name,
            process,
            asleep: false,
        }
    }

    /// Where the apis are.
    pub async fn bases(&self) -> Vec<String> {
        let members = self.members.lock().await;
        let apis = members.iter().filter(|m| m.role == "api");
        apis.map(|api| api.process.base.clone()).collect()
    }

    /// SIGKILL to this process, and another in its place. False where it is none of
    /// ours, gone, or asleep.
    pub async fn kill(&self, process: u32) -> bool {
        self.kill_whom(|member| member.process.id() == process).await
    }

    pub async fn kill_named(&self, name: &str) -> bool {
        self.kill_whom(|member| member.name == name).await
    }

    /// Stops this process in its tracks; until it is woken nobody kills it. False where it is none of ours, or gone.
    pub async fn put_to_sleep(&self, process: u32) -> bool {
        let mut members = self.members.lock().await;
        let Some(member) = members.iter_mut().find(|member| member.process.id() == process) else {
            return false;
        };
        member.asleep = true;
        member.process.signal("STOP");
        true
    }

    pub async fn wake(&self, process: u32) {
        let mut members = self.members.lock().await;
        let member = members.iter_mut().find(|member| member.process.id() == process);
        let member = member.expect("nobody kills one that sleeps");
        member.process.signal("CONT");
        member.asleep = false;
    }

    async fn kill_whom(&self, whom: impl Fn(&Member) -> bool) -> bool {
        let mut members = self.members.lock().await;
        let Some(member) = members.iter_mut().find(|member| whom(member) && !member.asleep) else {
            return false;
        };
        assert!(member.process.lives(), "{} ended by itself", member.name);
        member.process.kill();
        let (role, name, base) = (member.role, member.name.clone(), member.process.base.clone());
        *member = self.launch(role, name, (role == "api").then_some(base.as_str())).await;
        true
    }

    /// Nobody ended but those who were killed.
    pub async fn all_live(&self) {
        for member in self.members.lock().await.iter_mut() {
            assert!(member.process.lives(), "{} ended by itself", member.name);
        }
    }
}
