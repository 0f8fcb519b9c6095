//! Compiling strangers' components: in a process of its own, within bounds, and once.

use std::{fs, path::PathBuf, time::Duration};

use crate::harness::{
    Bundle, Corp, Home,
    components::{release, sha256, vault},
    minted,
};

const DAY: Duration = Duration::from_hours(24);

/// A component around a core module with so many functions, each of so many steps: many take time, and long ones memory.
fn many_functions(functions: usize, steps: usize) -> Vec<u8> {
    let section = |id: u8, content: &[u8]| [&[id][..], &leb(content.len()), content].concat();
    // One local; in each step it becomes a product, a sum and a count of bits.
    let step: &[u8] = &[0x20, 0, 0x20, 0, 0x7e, 0x42, 0x2a, 0x7c, 0x7b, 0x21, 0];
    let body = [&[1, 1, 0x7e][..], &step.repeat(steps), &[0x0b]].concat();
    let code = [leb(body.len()), body].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[leb(functions), vec![0; functions]].concat()),
        section(10, &[leb(functions), code.repeat(functions)].concat()),
    ];
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module.concat())].concat()
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A home with a cache of its own, so that nothing is compiled yet, and these limits: seconds of processor time, milliseconds that pass, MiB.
fn corp(component: &[u8], limits: &str) -> Corp {
    let mut corp = Corp::new(component);
    let cache = corp.home.outside("cache");
    corp.home.set("XDG_CACHE_HOME", &cache.display().to_string());
    corp.home.set("FLYTOKEN_TEST_COMPILE", limits);
    corp.configure(&format!(
        "chain: [corp, manual]\nsources:\n  corp: {{ component: ./corp.wasm, dev: true, settings: {{ token: \"{}\" }} }}\n",
        minted(7, DAY)
    ));
    corp
}

/// The files of compiled code.
fn compiled(home: &Home) -> Vec<PathBuf> {
    let mut folders = vec![home.outside("cache/flytoken/components/modules")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|file| file.extension().is_none());
    files
}

#[test]
fn what_takes_too_much_to_compile_is_named_and_everybody_else_goes_on() {
    let (many, huge) = (many_functions(4000, 400), many_functions(1, 300_000));
    for (what, bomb, limits, told) in [
        ("time on the processor", &many, "1 600000 4096", "takes more than 1s to compile, and was given up"),
        ("time that passes", &many, "600 700 4096", "takes more than 700ms to compile, and was given up"),
        ("memory", &huge, "600 600000 300", "takes more than 300MiB of memory to compile, and was given up"),
    ] {
        let mut corp = corp(vault(), "600 600000 4096");
        corp.home.get(&["web"]);
        let before = compiled(&corp.home);
        corp.install(bomb);
        corp.home.set("FLYTOKEN_TEST_COMPILE", limits);
        let manual = minted(7, DAY);
        corp.home.run_with(&["set", "web"], &manual).ends_with(0);
        let agent = corp.home.agent();
        assert!(Bundle::answered(&corp.home.get(&["web"])).is_from(&manual), "{what}");
        corp.problem(told);
        assert_eq!(compiled(&corp.home), before, "{what}");
        // The agent follows on. The same bytes are not tried again.
        corp.install(vault());
        corp.runs(vault());
        corp.install(bomb);
        corp.problem(told);
        assert_eq!(corp.status()["sha256"], sha256(vault()), "{what}: the one before serves");
        assert!(agent.log().contains(told), "{what}");
    }
}

#[test]
fn what_is_compiled_once_is_not_compiled_again() {
    let mut corp = corp(vault(), "600 600000 4096");
    corp.home.get(&["web"]);
    let before = compiled(&corp.home);
    assert!(!before.is_empty());
    // No time to compile anything.
    corp.home.set("FLYTOKEN_TEST_COMPILE", "600 0 4096");
    corp.home.get(&["web"]);
    assert_eq!(compiled(&corp.home), before);
    // Other bytes would have to be.
    corp.install(&release(vault(), "release-2"));
    assert!(corp.home.run(&["get", "web"]).ends_with(7).contains("takes more than 0s to compile"));
    assert_eq!(compiled(&corp.home), before, "nothing strange is compiled by the process that answers");
}

#[test]
fn without_a_cache_directory_bounds_hold_as_well() {
    let mut corp = corp(vault(), "600 600000 4096");
    let nowhere = corp.home.outside("nowhere");
    fs::write(&nowhere, "").unwrap();
    corp.home.set("XDG_CACHE_HOME", &nowhere.display().to_string());
    corp.home.get(&["web"]);
    corp.home.set("FLYTOKEN_TEST_COMPILE", "600 0 4096");
    assert!(corp.home.run(&["get", "web"]).ends_with(7).contains("takes more than 0s to compile"));
}
