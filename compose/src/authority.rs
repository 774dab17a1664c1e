//! The golden list of what each component imports (`compose/imports.txt`): least authority, kept by
//! reading the diff. A new import fails the build until it is accepted with `BLESS=1`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use anyhow::{Context, Result};

/// Imports by crate.
pub type Authority = BTreeMap<String, BTreeSet<String>>;

const HEADER: &str = "\
# What each component imports: nothing else can reach it. Checked whenever the components are composed;
# `BLESS=1 ./scripts/build-components.sh` rewrites it, and the diff is what to review.
";

/// Reads the list; a file that does not exist is an empty list.
pub fn load(path: &Path) -> Result<Authority> {
    let mut list = Authority::new();
    if !path.exists() {
        return Ok(list);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut component = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if let Some(imports) = line.strip_prefix("    ") {
            let (package, interfaces) = imports.split_once(' ').unwrap_or((imports, ""));
            let names = interfaces.split_whitespace().map(|interface| format!("{package}/{interface}"));
            list.entry(component.clone()).or_default().extend(names);
        } else {
            component = line.trim().to_owned();
            list.entry(component.clone()).or_default();
        }
    }
    Ok(list)
}

/// The text of the list: under each component one line per package, with its interfaces.
pub fn render(list: &Authority) -> String {
    let mut text = HEADER.to_owned();
    for (component, imports) in list {
        let _ = write!(text, "\n{component}\n");
        let mut packages = BTreeMap::<&str, Vec<&str>>::new();
        for import in imports {
            let (package, interface) = import.split_once('/').unwrap_or((import, ""));
            packages.entry(package).or_default().push(interface);
        }
        for (package, interfaces) in packages {
            let _ = writeln!(text, "    {package} {}", interfaces.join(" "));
        }
    }
    text
}

/// How `found` differs from what `golden` grants, a sentence for each component; components that were
/// not looked at are not judged.
pub fn differences(golden: &Authority, found: &Authority) -> Vec<String> {
    let none = BTreeSet::new();
    let list =
        |imports: Vec<&String>| imports.iter().map(|import| format!("`{import}`")).collect::<Vec<_>>().join(", ");
    let mut faults = Vec::new();
    for (component, imports) in found {
        let granted = golden.get(component).unwrap_or(&none);
        let new: Vec<_> = imports.difference(granted).collect();
        if !new.is_empty() {
            faults.push(format!("`{component}` is not granted its import of {}", list(new)));
        }
        let lost: Vec<_> = granted.difference(imports).collect();
        if !lost.is_empty() {
            faults.push(format!("`{component}` no longer imports {}", list(lost)));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn list(component: &str, imports: &[&str]) -> Authority {
        [(component.to_owned(), imports.iter().map(|i| (*i).to_owned()).collect())].into()
    }

    #[test]
    fn the_list_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("imports.txt");
        let mut written = list("a", &["wasi:cli/environment", "wasi:cli/exit", "wasi:io/streams"]);
        written.extend(list("b", &[]));
        std::fs::write(&path, render(&written)).unwrap();
        assert_eq!(load(&path).unwrap(), written);
    }

    #[test]
    fn a_new_import_and_a_lost_one_are_named() {
        let faults = differences(&list("a", &["wasi:io/streams"]), &list("a", &["wasi:sockets/tcp"]));
        assert_eq!(
            faults,
            ["`a` is not granted its import of `wasi:sockets/tcp`", "`a` no longer imports `wasi:io/streams`"]
        );
    }

    #[test]
    fn a_component_that_was_not_composed_is_not_judged() {
        assert!(differences(&list("b", &["wasi:io/streams"]), &Authority::new()).is_empty());
    }
}
