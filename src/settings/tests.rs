//! Each bad value is told in one line that names its variable.

use super::*;

fn read(set: impl FnOnce(&mut RawSettings)) -> Result<Settings, Failure> {
    let mut raw = RawSettings::default();
    set(&mut raw);
    Settings::read(raw)
}

#[test]
fn nothing_need_be_set() {
    let settings = read(|_| ()).unwrap();
    assert_eq!(settings.listen, "127.0.0.1:8080");
    assert_eq!(settings.database, Database::Embedded);
    assert_eq!(settings.media, Media::Folder("./data/media".into()));
    assert_eq!(settings.models.models_dir, PathBuf::from("./data/models"));
    assert!(matches!(settings.mailer, Mailer::Folder { folder, .. } if folder == Path::new("./data/outbox")));
    assert!(settings.workers >= 1 && settings.models.threads >= 1);
}

#[test]
fn what_is_empty_is_absent() {
    let empty = || Some(String::new());
    let settings = read(|raw| {
        raw.listen = empty();
        raw.database_url = Some(" ".into());
        raw.redis_url = empty();
        raw.media_url = empty();
        raw.secret_key = empty();
        raw.secret_key_file = empty();
        raw.smtp_url = empty();
        raw.workers = empty();
        raw.namespace = empty();
        raw.logins_per_minute = empty();
        raw.uploads_per_minute = empty();
        raw.requests_at_once = empty();
        raw.trusted_proxies = empty();
    })
    .unwrap();
    assert_eq!(settings.database, Database::Embedded);
    assert_eq!(settings.redis_url, None);
    assert_eq!(settings.secret, None);
    assert_eq!(settings.namespace, "muster");
}

type Set = fn(&mut RawSettings, Option<String>);

fn refused(cases: &[(&str, Set, &[&str])]) {
    for (variable, set, values) in cases {
        for value in *values {
            let Err(Failure::Usage(problem)) = read(|raw| set(raw, Some((*value).into()))) else {
                panic!("{variable} takes {value:?}");
            };
            let line = Failure::Usage(problem).to_string();
            assert!(line.starts_with(&format!("{variable}: ")), "{line}");
            assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
        }
    }
}

#[test]
fn a_bad_limit_is_one_line_that_names_the_variable() {
    refused(&[
        (
            "MUSTER_LOGINS_PER_MINUTE",
            |r, v| r.logins_per_minute = v,
            &["0", "1000001", "-1", "many", "1.5", "99999999999999999999"],
        ),
        (
            "MUSTER_UPLOADS_PER_MINUTE",
            |r, v| r.uploads_per_minute = v,
            &["0", "1000001", "x"],
        ),
        (
            "MUSTER_REQUESTS_AT_ONCE",
            |r, v| r.requests_at_once = v,
            &["0", "100001", "-1", "all", "1.5"],
        ),
        (
            "MUSTER_TRUSTED_PROXIES",
            |r, v| r.trusted_proxies = v,
            &[
                "proxy",
                "10.0.0.0/33",
                "10.0.0.1 10.0.0.2",
                "127.0.0.1,*",
                "127.0.0.1:80",
            ],
        ),
    ]);
}

#[test]
fn a_bad_value_is_one_line_that_names_the_variable() {
    let cases: &[(&str, Set, &[&str])] = &[
        (
            "MUSTER_LISTEN",
            |r, v| r.listen = v,
            &["8080", ":8080", "localhost", "localhost:99999", "a b:80", "[::1]"],
        ),
        (
            "MUSTER_METRICS_LISTEN",
            |r, v| r.metrics_listen = v,
            &["9090", "localhost", "on"],
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            |r, v| r.otlp_endpoint = v,
            &[
                "localhost:4318",
                "grpc://h",
                "http://",
                "http:///v1",
                "http://u:hunter2 @h",
            ],
        ),
        (
            "DATABASE_URL",
            |r, v| r.database_url = v,
            &[
                "muster",
                "mysql://h/d",
                "postgres:",
                "postgres://",
                "sqlite::memory:",
                "sqlite://",
                "postgres://h/d\nx",
            ],
        ),
        (
            "REDIS_URL",
            |r, v| r.redis_url = v,
            &["localhost", "http://localhost", "redis://", "rediss://h", "unix:"],
        ),
        (
            "MUSTER_MEDIA_URL",
            |r, v| r.media_url = v,
            &["s3://", "s3:///prefix", "gs://bucket", "http://host/bucket"],
        ),
        (
            "MUSTER_MODELS_MIRROR",
            |r, v| r.models_mirror = v,
            &["ftp://host/", "/no/such/folder"],
        ),
        (
            "MUSTER_MODEL_CATALOG",
            |r, v| r.model_catalog = v,
            &["/no/such/file", "/dev/null"],
        ),
        (
            "MUSTER_DETECTOR",
            |r, v| r.detector = v,
            &["no_such", "mobilefacenet_arcface_128"],
        ),
        (
            "MUSTER_EMBEDDER",
            |r, v| r.embedder = v,
            &["no_such", "face_detection_yunet_2023mar"],
        ),
        ("ORT_DYLIB_PATH", |r, v| r.ort_dylib_path = v, &["/no/such/library.so"]),
        ("MUSTER_SECRET_KEY", |r, v| r.secret_key = v, &["hunter2-is-too-short"]),
        (
            "MUSTER_SECRET_KEYS_OLD",
            |r, v| r.secret_keys_old = v,
            &["hunter2-is-too-short", "0123456789abcdef0123456789abcdef,short"],
        ),
        ("SMTP_URL", |r, v| r.smtp_url = v, &["mail", "http://host", "smtp://"]),
        ("MUSTER_LOG", |r, v| r.log = v, &["info,=", "service=loud"]),
        ("MUSTER_LOG_FORMAT", |r, v| r.log_format = v, &["xml"]),
        ("MUSTER_DEVICE", |r, v| r.device = v, &["gpu", "cuda:x", "cpu:0"]),
        (
            "MUSTER_WORKERS",
            |r, v| r.workers = v,
            &["0", "257", "-1", "many", "1.5"],
        ),
        (
            "MUSTER_PUBLIC_URL",
            |r, v| r.public_url = v,
            &["muster.example.org", "ftp://host", "https://", "https://host/?a=b"],
        ),
        (
            "MUSTER_AUDIT_DAYS",
            |r, v| r.audit_days = v,
            &["0", "36501", "-1", "for ever"],
        ),
        (
            "MUSTER_NAMESPACE",
            |r, v| r.namespace = v,
            &["a:b", "with space", "{tag}"],
        ),
    ];
    refused(cases);
}

#[test]
fn a_file_that_holds_nothing_is_refused() {
    refused(&[
        (
            "MUSTER_SECRET_KEY_FILE",
            |r, v| r.secret_key_file = v,
            &["/no/such/file", "/dev/null"],
        ),
        (
            "DATABASE_URL_FILE",
            |r, v| r.database_url_file = v,
            &["/no/such/file", "/dev/null"],
        ),
        (
            "SMTP_URL_FILE",
            |r, v| r.smtp_url_file = v,
            &["/no/such/file", "/dev/null"],
        ),
        (
            "AWS_SECRET_ACCESS_KEY_FILE",
            |r, v| r.storage_secret_file = v,
            &["/no/such/file", "/dev/null"],
        ),
    ]);
}

#[test]
fn good_values_are_taken() {
    let cases: &[(Set, &[&str])] = &[
        (
            |r, v| r.listen = v,
            &["0.0.0.0:0", "[::]:8080", "localhost:80", "muster.internal:8080"],
        ),
        (
            |r, v| r.database_url = v,
            &[
                "postgres://u:p@h:5432/d",
                "postgresql://h/d",
                "postgres:///d?host=/run",
                "sqlite://data/x.db?mode=rwc",
                "sqlite:///x.db",
            ],
        ),
        (
            |r, v| r.redis_url = v,
            &["redis://127.0.0.1", "redis://u:p@h:6379/1", "unix:///run/redis.sock"],
        ),
        (
            |r, v| r.media_url = v,
            &["s3://bucket", "s3://bucket/a/b", "/srv/media", "media"],
        ),
        (|r, v| r.embedder = v, &["mobilefacenet_arcface_128"]),
        (
            |r, v| r.smtp_url = v,
            &[
                "smtp://localhost:1025",
                "smtps://u:p@mail.example.org",
                "smtp://127.0.0.1:25",
            ],
        ),
        (
            |r, v| r.log = v,
            &["debug", "info,service=debug", "warn,sqlx::query=off"],
        ),
        (|r, v| r.device = v, &["cpu"]),
        (|r, v| r.workers = v, &["1", "256"]),
        (
            |r, v| r.public_url = v,
            &["http://localhost:8080", "https://example.org/muster/"],
        ),
        (|r, v| r.logins_per_minute = v, &["1", "1000000"]),
        (|r, v| r.uploads_per_minute = v, &["1", "1000000"]),
        (|r, v| r.requests_at_once = v, &["1", "100000"]),
        (
            |r, v| r.trusted_proxies = v,
            &["127.0.0.1", "127.0.0.1, ::1, 10.0.0.0/8,fd00::/8,"],
        ),
    ];
    for (set, values) in cases {
        for value in *values {
            if let Err(failure) = read(|raw| set(raw, Some((*value).into()))) {
                panic!("{value:?}: {failure}");
            }
        }
    }
}

#[test]
fn one_secret_is_given_in_one_way() {
    let key = "0123456789abcdef0123456789abcdef";
    let both = read(|raw| (raw.secret_key, raw.secret_key_file) = (Some(key.into()), Some("/dev/null".into())));
    assert!(matches!(both, Err(Failure::Usage(line)) if line.starts_with("MUSTER_SECRET_KEY: ")));
    let old = read(|raw| raw.secret_keys_old = Some(format!("{key}, {key}x,"))).unwrap();
    assert_eq!(old.old_secrets.len(), 2);
}

/// As containers are given them: a setting that holds a password stands in a file of its own.
#[test]
fn a_file_may_hold_what_others_must_not_read() {
    let folder = std::env::temp_dir().join(format!("muster-settings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        Some(path.display().to_string())
    };
    let url = "postgres://muster:hunter2@h/d";
    let (new, old) = ("n".repeat(32), "o".repeat(32));
    let settings = read(|raw| {
        raw.database_url_file = file("database", &format!("{url}\n"));
        raw.storage_secret_file = file("storage", "hunter3\n");
        raw.smtp_url_file = file("smtp", "smtp://user:hunter4@mail.example.org");
        raw.secret_key_file = file("key", &format!("{new}\n\n{old}\n"));
        raw.secret_keys_old = Some("z".repeat(32));
    })
    .unwrap();
    assert_eq!(settings.database, Database::Postgres(url.into()));
    assert_eq!(settings.storage_secret.as_deref(), Some("hunter3"));
    assert!(matches!(settings.mailer, Mailer::Smtp { .. }));
    assert_eq!(settings.secret, Some(new));
    assert_eq!(settings.old_secrets, [old, "z".repeat(32)]);

    let both = read(|raw| (raw.database_url, raw.database_url_file) = (Some(url.into()), file("database", url)));
    let Err(Failure::Usage(line)) = both else {
        panic!("one of them is a mistake");
    };
    assert!(
        line.starts_with("DATABASE_URL: ") && !line.contains("hunter2"),
        "{line}"
    );
    // What is wrong with a file's text is told without it.
    let Err(Failure::Usage(line)) = read(|raw| raw.database_url_file = file("database", "hunter2")) else {
        panic!("that is no database");
    };
    assert!(
        line.starts_with("DATABASE_URL: ") && !line.contains("hunter2"),
        "{line}"
    );
    let weak = read(|raw| raw.secret_key_file = file("key", "hunter2")).err();
    assert!(matches!(weak, Some(Failure::Usage(line)) if line.starts_with("MUSTER_SECRET_KEY_FILE: ")));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_address_may_upload_five_times_what_an_account_may() {
    assert_eq!(read(|_| ()).unwrap().rates, Rates::default());
    let settings = read(|raw| (raw.logins_per_minute, raw.uploads_per_minute) = (Some("7".into()), Some("9".into())));
    let rates = settings.unwrap().rates;
    let times = |limit: service::rates::Limit| (limit.times, limit.within.as_secs());
    assert_eq!(times(rates.login_by_origin), (7, 60));
    assert_eq!(times(rates.upload_by_account), (9, 60));
    assert_eq!(times(rates.upload_by_origin), (45, 60));
    assert_eq!(rates.code_by_address, Rates::default().code_by_address);
}

#[test]
fn a_role_alone_needs_what_it_shares() {
    let postgres = Some("postgres://h/d".into());
    for (database, redis, missing) in [
        (None, None, Some("DATABASE_URL")),
        (
            Some("sqlite://x".into()),
            Some("redis://h".into()),
            Some("DATABASE_URL"),
        ),
        (postgres.clone(), None, Some("REDIS_URL")),
        (postgres, Some("redis://h".into()), None),
    ] {
        let settings = read(|raw| (raw.database_url, raw.redis_url) = (database, redis)).unwrap();
        match (settings.shared("api"), missing) {
            (Ok(()), None) => {}
            (Err(Failure::Usage(line)), Some(name)) => assert!(line.starts_with(name), "{line}"),
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn threads_and_slots_fill_the_cores_once() {
    for workers in ["1", "2", "256"] {
        let models = read(|raw| raw.workers = Some(workers.into())).unwrap().models;
        assert!(models.threads >= 1 && (models.threads == 1 || models.threads * models.slots <= cores()));
    }
}

/// Never the processor in silence.
#[cfg(not(feature = "cuda"))]
#[test]
fn cuda_is_refused_where_it_was_not_built() {
    let Err(Failure::Usage(text)) = read(|raw| raw.device = Some("cuda:1".into())) else {
        panic!("it was taken");
    };
    assert!(
        text.starts_with("MUSTER_DEVICE: ") && text.contains("--features cuda"),
        "{text}"
    );
}
