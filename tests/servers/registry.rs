//! `docker-credential-flytoken` with a client and a registry as people have them: skopeo, and Debian's `docker-registry` with htpasswd.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    harness::{Home, Ran, eventually, minted, user_token},
    machine::{certify, free_ports, program},
};

const DAY: Duration = Duration::from_hours(24);

/// A registry that is called `registry.fly.io` by whoever goes through the proxy. It ends with the behaviour.
struct Registry {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Registry {
    fn start(home: &Home) -> Self {
        let folder = home.outside("secrets/registry");
        fs::create_dir_all(folder.join("images")).unwrap();
        certify(&folder, "IP:127.0.0.1, DNS:registry.fly.io");
        fs::create_dir(folder.join("trusted")).unwrap();
        fs::copy(folder.join("ca.pem"), folder.join("trusted/ca.crt")).unwrap();
        let [port] = free_ports();
        let configuration = json!({
            "version": 0.1,
            "storage": { "filesystem": { "rootdirectory": folder.join("images") } },
            "http": { "addr": format!("127.0.0.1:{port}"), "tls": { "certificate": folder.join("server.pem"), "key": folder.join("server.key") } },
            "auth": { "htpasswd": { "realm": "apps", "path": folder.join("htpasswd") } },
        });
        // JSON is YAML as well.
        fs::write(folder.join("config.yml"), configuration.to_string()).unwrap();
        fs::write(folder.join("htpasswd"), "").unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new(program("docker-registry", "docker-registry"));
        command.arg("serve").arg(folder.join("config.yml")).env_clear();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut registry = Self { child, folder, port };
        eventually("the registry", || {
            let ended = registry.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", fs::read_to_string(registry.folder.join("log")).unwrap_or_default());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        registry
    }

    /// Has it take this password of the user `x`, and no other.
    fn admits(&self, password: &str) {
        let mut command = Command::new(program("htpasswd", "apache2-utils"));
        command.args(["-i", "-n", "-B", "x"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // bcrypt takes 72 bytes, of a password as of what it is compared with; two tokens differ long before.
        child.stdin.take().unwrap().write_all(&password.as_bytes()[..72]).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let new = self.folder.join("htpasswd.new");
        fs::write(&new, output.stdout).unwrap();
        fs::rename(new, self.folder.join("htpasswd")).unwrap();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What leads from Fly's registry to one on loopback, and nowhere else.
struct Proxy {
    port: u16,
    /// Where somebody wanted to go.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let all = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                thread::spawn(move || drop(tunnel(client, to, &all)));
            }
        });
        Self { port, asked }
    }
}

fn tunnel(client: TcpStream, to: u16, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let host = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let is_known = host == "registry.fly.io:443";
    asked.lock().unwrap().push(host);
    let mut client = client;
    if !is_known {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    }
    let server = TcpStream::connect(("127.0.0.1", to))?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut up, mut down) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut &server, &mut down);
        let _ = down.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut reader, &mut up);
    let _ = up.shutdown(Shutdown::Write);
    back.join().map_err(|_| io::ErrorKind::Other.into())
}

/// An image as skopeo keeps one in a folder: a configuration and no layer.
fn image(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let configuration =
        json!({ "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": [] } }).to_string();
    let digest: String = Sha256::digest(&configuration).iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": configuration.len(),
            "digest": format!("sha256:{digest}"),
        },
        "layers": [],
    });
    fs::write(folder.join(&digest), configuration).unwrap();
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(folder.join("version"), "Directory Transport Version: 1.1\n").unwrap();
}

#[test]
fn skopeo_pushes_and_looks_with_a_token_of_its_own_each_time() {
    let (mut home, fly) = Home::logged_in(&user_token());
    let registry = Registry::start(&home);
    let proxy = Proxy::start(registry.port);
    let bin = home.path(".local/bin");
    fs::create_dir_all(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_flytoken"), bin.join("flytoken")).unwrap();
    home.set("PATH", &format!("{}:{}:/usr/bin:/bin", home.outside("bin").display(), bin.display()));
    home.set("HTTPS_PROXY", &format!("http://127.0.0.1:{}", proxy.port));
    // Where others keep passwords: not in this machine's own places.
    home.set("XDG_RUNTIME_DIR", &home.outside("tmp").display().to_string());
    home.set("FLY_APP", "web");
    let [first, second] = [minted(123, DAY), minted(123, 2 * DAY)];
    fly.mints("web", &[first.clone(), second.clone()]);
    image(&home.path("image"));
    let skopeo = |arguments: &[&str]| Ran::of(home.command_of(program("skopeo", "skopeo"), arguments), b"");
    let trusted = registry.folder.join("trusted").display().to_string();
    let push = || skopeo(&["--insecure-policy", "copy", "--dest-cert-dir", &trusted, "dir:image", "docker://registry.fly.io/web:v1"]);
    let inspect = |server: &str| skopeo(&["inspect", "--raw", "--cert-dir", &trusted, &format!("docker://{server}/web:v1")]);
    registry.admits(&first);

    let refused = push();
    assert!(refused.code != Some(0) && refused.stderr.contains("authentication required"), "nobody is asked yet: {}", refused.stderr);
    fly.called(0);

    Ran::of(home.command_of(bin.join("flytoken"), &["docker", "install"]), b"").ends_with(0);
    push().ends_with(0);
    assert_eq!(inspect("registry.fly.io").json()["schemaVersion"], 2);
    assert_eq!(fly.calls().len(), 1, "{:?}", fly.calls());
    assert!(fly.calls()[0].starts_with("tokens create deploy -a web "), "{:?}", fly.calls());

    // Whoever has another name gets none, though it is the same server.
    let elsewhere = inspect(&format!("127.0.0.1:{}", registry.port));
    assert!(elsewhere.code != Some(0) && elsewhere.stderr.contains("authentication required"), "{}", elsewhere.stderr);

    // A newer token goes with the very next request, and the older one does not.
    home.run(&["refresh", "web", "--kind", "deploy"]).ends_with(0);
    let stale = inspect("registry.fly.io");
    assert!(stale.code != Some(0) && stale.stderr.contains("authentication required"), "{}", stale.stderr);
    registry.admits(&second);
    inspect("registry.fly.io").ends_with(0);

    // What goes wrong comes to the user of the client, as one line.
    home.run(&["invalidate", "web"]).ends_with(0);
    fly.fails("Error: no such app");
    let failed = inspect("registry.fly.io");
    assert!(failed.code != Some(0) && failed.stderr.contains("flytoken: "), "{}", failed.stderr);
    assert_eq!(proxy.asked.lock().unwrap().iter().find(|host| *host != "registry.fly.io:443"), None);
}
