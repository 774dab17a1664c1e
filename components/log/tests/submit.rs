//! Our client against witnesses that are honest, of an older specification, or none.

use crate::support::{FixedKey, WITNESS};
use crate::witnessed;
use crate::witnessed::{NOW, Tree, carry, exchange, log_key, status, store, witness};
use secure_log::note::{VerifierKey, cosignature_message, note_line};
use secure_log::signer::Algorithm;
use secure_log::types::Digest;
use secure_log::witness::{Next, Response, Submission, Unanswered};

#[test]
fn a_log_is_cosigned_in_one_request_or_in_two_when_it_did_not_know_the_size() {
    let (tree, mut store) = (Tree::of(40), store());
    for (size, known, asked) in [(7, 0, 1), (7, 0, 2), (7, 7, 1), (20, 7, 1), (40, 0, 2), (40, 3, 2), (40, 40, 1)] {
        let outcome = carry(&tree, size, known, |request| exchange(&mut store, request));
        assert_eq!(outcome, (asked, Ok(1)), "size {size}, known {known}");
    }
    assert_eq!(carry(&tree, 20, 7, |request| exchange(&mut store, request)), (1, Err(Unanswered::Ahead(40))));
}

#[test]
fn a_forked_log_learns_that_it_is_one() {
    let (tree, mut store) = (Tree::of(12), store());
    assert_eq!(status(&mut store, &tree.request(0, 8)), 200);
    let fork = tree.forked(4, 12);
    assert_eq!(carry(&fork, 8, 0, |request| exchange(&mut store, request)), (2, Err(Unanswered::Forked)));
    let (asked, outcome) = carry(&fork, 12, 8, |request| exchange(&mut store, request));
    assert!(asked == 1 && matches!(outcome, Err(Unanswered::Refused(422, _))), "{outcome:?}");
}

#[test]
fn nothing_that_a_witness_makes_up_is_taken_for_a_cosignature() {
    let tree = Tree::of(12);
    let answer = |status: u16, kind: Option<&str>, body: &[u8]| Response {
        status,
        content_type: kind.map(str::to_owned),
        body: body.to_vec(),
    };
    let sized = |size: &str| answer(409, Some("text/x.tlog.size"), size.as_bytes());
    // A witness that never has enough is asked twice, not for ever.
    let mut sizes = ["3\n", "4\n", "5\n"].into_iter();
    assert_eq!(carry(&tree, 8, 0, |_| sized(sizes.next().unwrap())), (2, Err(Unanswered::Conflict(4))));
    assert_eq!(carry(&tree, 8, 3, |_| sized("3\n")), (1, Err(Unanswered::Conflict(3))));
    assert_eq!(carry(&tree, 8, 0, |_| sized("9\n")), (1, Err(Unanswered::Ahead(9))));
    assert_eq!(carry(&tree, 8, 8, |_| sized("8\n")), (1, Err(Unanswered::Forked)));
    assert_eq!(carry(&tree, 8, 8, |_| answer(409, None, b"roots differ")), (1, Err(Unanswered::Forked)));
    for wrong in ["", "3", "03\n", "3\n\n", " 3\n", "-3\n", "+3\n", "x\n", "9223372036854775808\n"] {
        let outcome = carry(&tree, 8, 0, |_| sized(wrong));
        assert!(matches!(outcome, (1, Err(Unanswered::Protocol(_)))), "{wrong:?}: {outcome:?}");
    }
    let outcome = carry(&tree, 8, 0, |_| answer(409, Some("text/plain"), b"3\n"));
    assert!(matches!(outcome, (1, Err(Unanswered::Protocol(_)))), "{outcome:?}");

    let line = |key: &FixedKey, name: &str, time: u64, text: &str| {
        let vkey = VerifierKey::for_witness(name, key.public()).unwrap();
        let signature = key.sign_note(&cosignature_message(time, text));
        format!("{}\n", note_line(&vkey, &[&time.to_be_bytes()[..], &signature].concat()))
    };
    let (own, text) = (FixedKey::witness(), tree.note(8).text().to_owned());
    let good = line(&own, WITNESS, NOW, &text);
    let log_signed = tree.note(8).signatures()[0].to_string();
    let stranger = line(&FixedKey::log(Algorithm::Ed25519), WITNESS, NOW, &text);
    for (what, body) in [
        ("nothing", String::new()),
        ("a page", "<html></html>\n".into()),
        ("a line for another size", line(&own, WITNESS, NOW, tree.note(9).text())),
        ("a line of another name", line(&own, "witness.example.net/w2", NOW, &text)),
        ("a stranger's line", stranger.clone()),
        ("no time", line(&own, WITNESS, 0, &text)),
        ("another time", good.replacen("AABpVbk8", "AABpVbk9", 1)),
        ("the log's own line", format!("{log_signed}\n")),
    ] {
        assert_ne!(body, good, "{what}");
        let outcome = carry(&tree, 8, 0, |_| answer(200, None, body.as_bytes()));
        assert_eq!(outcome, (1, Err(Unanswered::NoCosignature)), "{what}");
    }
    let among = format!("{stranger}junk\n\n{log_signed}\n{good}{good}");
    assert_eq!(carry(&tree, 8, 0, |_| answer(200, None, among.as_bytes())), (1, Ok(1)), "kept once, the rest dropped");
    let outcome = carry(&tree, 8, 0, |_| answer(200, None, &vec![b'x'; 200_000]));
    assert!(matches!(outcome, (1, Err(Unanswered::Protocol(_)))), "{outcome:?}");
    for status in [100, 201, 204, 301, 400, 403, 404, 422, 429, 500, 503] {
        let outcome = carry(&tree, 8, 0, |_| answer(status, None, b"why\nmore"));
        assert_eq!(outcome, (1, Err(Unanswered::Refused(status, "why".into()))));
    }
}

/// RFC 9110 sections 8.3.1 and 5.6.6: types are case-insensitive, and parameters may follow.
#[test]
fn a_size_is_understood_however_its_type_is_written() {
    let tree = Tree::of(12);
    let first = |kind: &str| {
        let again = Response { status: 409, content_type: Some(kind.to_owned()), body: b"5\n".to_vec() };
        witnessed::submission(&tree, 8, 0).answer(&again)
    };
    for kind in [
        "text/x.tlog.size",
        "Text/X.Tlog.Size",
        " text/x.tlog.size ",
        "text/x.tlog.size; charset=utf-8",
        "text/x.tlog.size\t;charset=utf-8",
    ] {
        assert_eq!(first(kind), Ok(Next::Again), "{kind:?}");
    }
    for kind in ["", ";", "text/x.tlog.sizes", "text/plain; text/x.tlog.size", "text /x.tlog.size"] {
        assert!(matches!(first(kind), Err(Unanswered::Protocol(_))), "{kind:?}");
    }
}

#[test]
fn a_submission_that_no_answer_could_serve_is_refused() {
    let (tree, own) = (Tree::of(8), witness().vkey().clone());
    let note = tree.note(8).to_string();
    assert!(Submission::new(&note, vec![], 0).is_err());
    assert!(Submission::new(&note, vec![log_key()], 0).is_err());
    assert!(Submission::new(&note, vec![own.clone()], 9).is_err());
    assert!(Submission::new(tree.note(8).text(), vec![own.clone()], 0).is_err());
    let mut submission = Submission::new(&note, vec![own], 0).unwrap();
    let again = Response { status: 409, content_type: Some("text/x.tlog.size".into()), body: b"3\n".to_vec() };
    assert_eq!(submission.answer(&again), Ok(Next::Again));
    assert_eq!(submission.request(|old, new| Err::<Vec<Digest>, _>((old, new))), Err((3, 8)), "the caller's own error");
}
