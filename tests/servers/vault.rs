//! `builtin:vault-http`, against a server that answers in the forms of Vault's API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    harness::{Bundle, Home, Ran, minted},
    nginx::Nginx,
};

struct Stage {
    home: Home,
    nginx: Nginx,
    token: String,
}

impl Stage {
    fn new() -> Self {
        let mut home = Home::new();
        // What opens the vault has a token's form, so that the search for leaks knows it.
        let key = minted(1, Duration::from_hours(1)).split(',').next().unwrap().to_owned();
        let token = minted(123, Duration::from_hours(24));
        let nginx = Nginx::start(&home, &key, &token);
        home.set("FLYTOKEN_CONFIG", &home.outside("secrets/config.yaml").display().to_string());
        home.write(home.outside("secrets/vault-token"), format!("{key}\n"));
        Self { home, nginx, token }
    }

    /// The lines of the source's README, with these settings beside the address.
    fn configure(&self, settings: &str) {
        self.home.write(
            self.home.outside("secrets/config.yaml"),
            format!(
                "version: 1\nchain: [vault]\nsources:\n  vault:\n    component: builtin:vault-http\n    \
                 settings: {{ address: \"https://127.0.0.1:{port}\", {settings} }}\n    grants:\n      \
                 files: {{ vault-token: ./vault-token }}\n      \
                 http: [{{ origin: \"https://127.0.0.1:{port}\", private: true, ca: {ca}, headers: {{ X-Vault-Token: {{ file: vault-token }} }} }}]\n",
                port = self.nginx.main,
                ca = self.nginx.ca().display(),
            ),
        );
    }

    fn get(&self, app: &str, settings: &str) -> Ran {
        self.configure(settings);
        self.home.run(&["get", app, "--json"])
    }

    /// What the one step came to, and said.
    fn step(&self, app: &str, settings: &str) -> (String, String) {
        let answer = self.get(app, settings).json();
        let step = &answer["error"]["steps"][0];
        let text = |key: &str| step[key].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        (text("outcome"), text("text"))
    }
}

#[test]
fn a_secret_of_the_key_value_engine_is_the_apps_token() {
    let stage = Stage::new();
    let answer = stage.get("web", "").json();
    assert!(Bundle::answered(&answer).is_from(&stage.token));
    assert_eq!(answer["source"], "vault");
    assert_eq!(stage.nginx.requests(), [format!("{} GET /v1/secret/data/fly/web yes", stage.nginx.main)]);
    // In a namespace, which is a header that the source sets itself.
    assert!(Bundle::answered(&stage.get("team", "namespace: team-a").json()).is_from(&stage.token));
    assert_eq!(stage.step("team", "").0, "absent");
}

#[test]
fn a_dynamic_secret_ends_with_its_lease() {
    let stage = Stage::new();
    let answer = stage.get("web", "engine: dynamic").json();
    assert!(Bundle::answered(&answer).is_from(&stage.token));
    let lives = |answer: &Value| answer["expires_at"].as_u64().unwrap() - answer["obtained_at"].as_u64().unwrap();
    assert!((1795..=1800).contains(&lives(&answer)), "{answer}");
}

#[test]
fn what_the_vault_refuses_is_told_with_what_to_do() {
    let stage = Stage::new();
    let told = |outcome: &str, app: &str, settings: &str, text: &str| {
        let (is, said) = stage.step(app, settings);
        assert!(is == outcome && said.contains(text), "{settings}: {is}: {said}");
    };
    told("absent", "api", "", "the vault has nothing at `secret/data/fly/api`");
    told("unavailable", "web", "mount: sealed", "status 503: Vault is sealed");
    told("misconfigured", "web", "field: deploy", "has no field `deploy`");
    told("misconfigured", "web", "adress: x", "`adress`");
    told("misconfigured", "web", "mount: standby", &format!("https://127.0.0.1:{}", stage.nginx.other));
    stage.home.write(stage.home.outside("secrets/vault-token"), "another\n");
    told("needs-human", "web", "", "the vault's token may not read `secret/data/fly/web`, or has ended: ");
    let explained = stage.home.run(&["explain", "web", "--resolve", "--json"]).json();
    assert_eq!(explained["resolution"]["steps"][0]["command"], json!("vault token lookup"));
    // With the file renewed it answers again.
    let key = minted(1, Duration::from_hours(1));
    stage.home.write(stage.home.outside("secrets/vault-token"), key.split(',').next().unwrap());
}
