//! Proof files that the command line wrote, judged by tools that are not ours.

use crate::world;
use std::fs;

use crate::desk::Desk;
use crate::oracle::{Case, judged_by_both};
use crate::support::ORIGIN;
use secure_log::policy::Policy;
use secure_log::proof_file::InclusionFile;
use secure_log::store::Want;
use secure_log::types::hex;
use serde_json::json;

#[test]
fn public_verifiers_judge_our_proof_files_as_we_do() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    desk.log.append_batch(&world::stream(), &world::events(300), Want::Synced).unwrap();
    desk.settle();
    let vkey = desk.key.vkey(ORIGIN).to_string();
    let policy = Policy::parse(&format!("log {vkey}\nquorum none\n")).unwrap();
    let mut cases = Vec::new();
    for seqno in [0, 1, 255, 256, 301] {
        let prefix = folder.path().join(seqno.to_string()).display().to_string();
        desk.good(&format!("prove {seqno} --out {prefix}"));
        let proof = fs::read_to_string(format!("{prefix}.tlog-proof")).unwrap();
        let entry = fs::read(format!("{prefix}.entry")).unwrap();
        let mut judge = |what: String, proof: &str, entry: &[u8]| {
            let ours = InclusionFile::parse(proof).and_then(|file| file.verify(entry, &policy)).is_ok();
            let evidence = json!({ "kind": "proof", "proof": proof, "entry": hex(entry), "vkey": vkey });
            cases.push(Case { what: format!("entry {seqno}, {what}"), evidence, ours, laxer: None });
            ours
        };
        assert!(judge("as made".into(), &proof, &entry));
        for at in [0, entry.len() / 2, entry.len() - 1] {
            let mut changed = entry.clone();
            changed[at] ^= 1;
            assert!(!judge(format!("byte {at} of the entry"), &proof, &changed));
        }
        let lines: Vec<&str> = proof.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
            // In the middle: the last digit of base64 has bits that some decoders ignore.
            let middle = line.chars().count() / 2;
            let other = |c| if c == 'A' { 'B' } else { 'A' };
            let changed: String =
                line.chars().enumerate().map(|(place, c)| if place == middle { other(c) } else { c }).collect();
            let file = proof.replacen(&format!("{line}\n"), &format!("{changed}\n"), 1);
            assert!(!judge(format!("line {number}"), &file, &entry), "{line:?} to {changed:?}");
            let file = proof.replacen(&format!("{line}\n"), "", 1);
            assert!(!judge(format!("without line {number}"), &file, &entry), "{line:?}");
        }
    }
    judged_by_both(&cases);
}
