//! What rustc says to the user: each case in `tests/ui` fails with exactly the words beside it, those in `tests/ui/pass`
//! compile and run. `TRYBUILD=overwrite cargo test --test ui` rewrites the words; read them as a user would.

#[test]
fn mistakes_are_explained_where_they_are_made() {
    let cases = trybuild::TestCases::new();
    // With a case that passes, all are built and not only checked, so that errors of instantiated generics show.
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/*.rs");
}
