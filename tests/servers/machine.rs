//! What servers need of the machine: their programs, ports, certificates.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Makes two roots, and a certificate for these names that the first vouches for.
pub(crate) fn certify(folder: &Path, names: &str) {
    let root = |name: &str| {
        let key = format!("{name}.key");
        let file = format!("{name}.pem");
        let more = ["-subj", "/CN=root", "-days", "2", "-addext", "keyUsage=critical,keyCertSign"];
        let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", &key, "-out", &file];
        openssl(folder, &[&new[..], &more[..]].concat());
    };
    root("ca");
    root("wrong");
    let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl(folder, &[&new[..], &["-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server"][..]].concat());
    fs::write(folder.join("server.ext"), format!("subjectAltName = {names}\nextendedKeyUsage = serverAuth\n")).unwrap();
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(folder, &[&sign[..], &["-out", "server.pem", "-days", "2", "-extfile", "server.ext"][..]].concat());
    for name in ["ca.pem", "wrong.pem"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(folder.join(name), mode).unwrap();
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(program("openssl", "openssl"));
    let output = command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Where a program is; fails with the Debian package that has it.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("these behaviours need `{name}`: install the package {package}"))
}

/// Ports that nobody listened on a moment ago.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
