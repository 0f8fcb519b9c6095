//! A real nginx on loopback, in a folder of a home where secrets may lie.

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::{
    harness::{Home, eventually},
    machine::{certify, free_ports, program},
};

/// A running nginx. It ends with the behaviour.
pub(crate) struct Nginx {
    child: Child,
    folder: PathBuf,
    /// Speaks TLS, and has everything.
    pub(crate) main: u16,
    /// Speaks TLS, and says `other`.
    pub(crate) other: u16,
    /// Speaks in the clear, and says `plain`.
    pub(crate) plain: u16,
}

impl Nginx {
    /// Starts it. Its locations know the header `X-Vault-Token` if it is `key`, and `/token` answers with `token` then.
    pub(crate) fn start(home: &Home, key: &str, token: &str) -> Self {
        let folder = home.outside("secrets/nginx");
        fs::create_dir_all(&folder).unwrap();
        certify(&folder, "IP:127.0.0.1, DNS:localhost");
        fs::write(folder.join("slow"), "x".repeat(1 << 10)).unwrap();
        // As good as endless, and no bytes on the disk.
        fs::File::create(folder.join("endless")).unwrap().set_len(1 << 32).unwrap();
        let [main, other, plain] = free_ports();
        let configuration = include_str!("nginx.conf");
        let values = [
            ("FOLDER", folder.display().to_string()),
            ("MAIN", main.to_string()),
            ("OTHER", other.to_string()),
            ("PLAIN", plain.to_string()),
            ("KEY", key.to_owned()),
            ("TOKEN", token.to_owned()),
        ];
        let configuration = values.iter().fold(configuration.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value));
        fs::write(folder.join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new(program("nginx", "nginx-light"));
        command.arg("-p").arg(&folder).arg("-e").arg(folder.join("error.log")).arg("-c").arg(folder.join("nginx.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut nginx = Self { child, folder, main, other, plain };
        eventually("nginx", || {
            let ended = nginx.child.try_wait().unwrap();
            assert!(ended.is_none(), "nginx ended: {}", fs::read_to_string(nginx.folder.join("error.log")).unwrap_or_default());
            [main, other, plain].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()).then_some(())
        });
        nginx
    }

    /// The certificate that vouches for it.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate that vouches for others.
    pub(crate) fn wrong_ca(&self) -> PathBuf {
        self.folder.join("wrong.pem")
    }

    /// The requests that arrived: each line its port, method, path, and whether its key was known.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("access.log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It is one process: there is nothing else to end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
