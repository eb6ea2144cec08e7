//! The kit as a page: one file without scripts and without anything to be fetched, which prints on
//! one sheet.

use super::content::Kit;
use super::error::KitError;
use super::text::{DANGER, KEEP, facts, steps, with_what};
use crate::disaster::escaped;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

const ROOM: usize = 128 * 1024;
/// Longer commands are small, so that a sheet holds a certificate too.
const MOST_LINES: usize = 12;

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<meta name="robots" content="noindex">
<title>Recovery kit</title>
<style>
body { font: 10pt/1.3 sans-serif; color: #000; background: #fff; max-width: 19cm; margin: 1cm auto; padding: 0 .5cm }
h1 { font-size: 16pt; margin: 0 0 .2cm } h2 { font-size: 12pt; margin: .3cm 0 .1cm }
p { margin: .15cm 0 } code, pre, .key td { font-family: monospace }
table.facts { border-collapse: collapse } .facts th { text-align: left; white-space: nowrap; padding: .05cm .5cm .05cm 0; vertical-align: top }
.facts td { overflow-wrap: anywhere }
.box { border: 1.5pt solid #000; border-spacing: .3cm; break-inside: avoid } .box > * > * > td { vertical-align: middle }
.box svg { display: block; width: 4.6cm; height: 4.6cm }
.key { border-spacing: .35cm .1cm } .key td { font-size: 15pt; letter-spacing: .06em }
.key th { font-size: 8pt; font-weight: normal; text-align: left }
ol { margin: .1cm 0; padding-left: .6cm } li { margin: .1cm 0 }
pre { margin: .05cm 0 .05cm .3cm; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 8.5pt }
pre.long { font-size: 7pt }
@page { size: A4; margin: 1.2cm } @media print { body { margin: 0; padding: 0; max-width: none } h2 { break-after: avoid } li { break-inside: avoid } }
</style></head><body>
<h1>Recovery kit of an encrypted backup</h1>
"#;

const HOW_TO_TYPE: &str = "<p>Scan the code, or type <code>filbert1</code> and then the groups in the order of their \
numbers. Upper or lower case, spaces and dashes do not matter. There is no 1, b, i or o in the groups. The fifth \
character of each group checks it: a slip is noticed, and told where it is.</p>\n";

/// The page.
pub(super) fn render(kit: &Kit) -> Result<Zeroizing<String>, KitError> {
    let mut page = Zeroizing::new(String::with_capacity(ROOM));
    page.push_str(HEAD);
    page.push_str(&format!("<p>{} <b>{DANGER}</b> {KEEP}</p>\n", with_what(kit)));
    page.push_str("<table class=\"facts\">\n");
    for (name, value) in facts(kit) {
        page.push_str(&format!("<tr><th>{name}</th><td>{}</td></tr>\n", escaped(&value)));
    }
    page.push_str(
        "</table>\n<h2>Recovery key, in place of the encryption password</h2>\n<table class=\"box\"><tr><td>",
    );
    page.push_str(&qr(kit)?);
    page.push_str("</td><td><table class=\"key\">\n<tr><td colspan=\"4\">filbert1</td></tr>\n");
    for (row, groups) in kit.key.groups().chunks(4).enumerate() {
        page.push_str("<tr>");
        (1..=groups.len()).for_each(|at| page.push_str(&format!("<th>{}</th>", row * 4 + at)));
        page.push_str("</tr>\n<tr>");
        for group in groups {
            page.push_str("<td>");
            page.push_str(group.expose());
            page.push_str("</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></td></tr></table>\n");
    page.push_str(HOW_TO_TYPE);
    page.push_str("<h2>On an empty machine</h2>\n<ol>\n");
    for step in steps(kit) {
        page.push_str(&format!("<li>{}\n", escaped(&step.words)));
        if !step.commands.is_empty() {
            let class = if step.commands.len() > MOST_LINES { " class=\"long\"" } else { "" };
            page.push_str(&format!("<pre{class}>{}</pre>", escaped(&step.commands.join("\n"))));
        }
        page.push_str("</li>\n");
    }
    page.push_str("</ol>\n</body></html>\n");
    Ok(page)
}

/// The key as one text, in capitals, for which a code has a denser form.
fn qr(kit: &Kit) -> Result<Zeroizing<String>, KitError> {
    let text = Zeroizing::new(kit.key.text().expose().to_ascii_uppercase());
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::Q);
    let code = code.map_err(|error| KitError::Qr(error.to_string()))?;
    let drawn = Zeroizing::new(code.render::<svg::Color<'_>>().build());
    // Within a page a declaration has no place.
    let svg = drawn.find("<svg").and_then(|at| drawn.get(at..)).unwrap_or_default();
    Ok(Zeroizing::new(svg.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::{Authority, KeyPlace, LastRecord, SetLine, text};
    use super::*;
    use crate::format::recovery_key::RecoveryKey;
    use crate::model::entropy::SystemEntropy;

    fn kit() -> Kit {
        Kit {
            address: "https://dav.example.org/<backup>&co".to_owned(),
            user: Some("\"me\"".to_owned()),
            auth: None,
            allow_http: false,
            authority: None,
            repository: "ab".repeat(16),
            made: "2026-11-20T12:00:00Z".to_owned(),
            program: "filbert 0.1.0".to_owned(),
            place: Some(KeyPlace { id: "5fa1c07d".to_owned(), generation: 3 }),
            key: RecoveryKey::generate(&SystemEntropy).unwrap(),
            last_record: Some(LastRecord { hash: "cd".repeat(32), time: "2026-11-19T12:00:00Z".to_owned() }),
            newest_snapshot: Some("3f2a91c0".to_owned()),
            sets: vec![SetLine {
                shown: "<script>alert(1)</script>".to_owned(),
                restore: "filbert restore".to_owned(),
            }],
            more_sets: 2,
        }
    }

    #[test]
    fn nothing_in_a_page_is_taken_for_markup_or_fetched() {
        let kit = kit();
        let page = render(&kit).unwrap();
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script"));
        assert!(
            page.contains("https://dav.example.org/&lt;backup&gt;&amp;co") && page.contains("&quot;me&quot;")
        );
        for fetched in ["src=", "href=", "url(", "@import", "<link", "<?xml"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
        assert!(page.contains("<svg") && page.len() < ROOM);
    }

    #[test]
    fn what_reaches_the_server_is_told_in_both() {
        let told = |kit: &Kit| (render(kit).unwrap(), text::render(kit));
        let (page, text) = told(&kit());
        for not_needed in ["FILBERT_WEBDAV_AUTH", "FILBERT_ALLOW_HTTP", "FILBERT_CA_FILE", "certificate"] {
            assert!(!page.contains(not_needed) && !text.contains(not_needed), "{not_needed}");
        }
        let special = Kit {
            auth: Some("digest".to_owned()),
            allow_http: true,
            authority: Some(Authority::TooLong(140)),
            ..kit()
        };
        let (page, text) = told(&special);
        for said in ["FILBERT_WEBDAV_AUTH=digest", "FILBERT_ALLOW_HTTP=true", "a file of 140 others"] {
            assert!(page.contains(said) && text.contains(said), "{said}");
        }
        let folder = Kit { address: "/mnt/disk".to_owned(), user: None, ..kit() };
        let (page, text) = told(&folder);
        assert!(!page.contains("password of the server") && !text.contains("server's password"), "{}", *text);
    }

    #[test]
    fn page_and_text_tell_the_same() {
        let kit = kit();
        let (page, text) = (render(&kit).unwrap(), text::render(&kit));
        let groups = kit.key.groups();
        for said in groups.iter().map(|group| group.expose()).chain([
            "5fa1c07d in generation 3",
            &kit.repository,
            "2026-11-19",
            "3f2a91c0",
            "and 2 more",
            "filbert kit --check",
        ]) {
            assert!(page.contains(said) && text.contains(said), "{said}");
        }
        // What stands in the text from the prefix on is a key when it is typed without the numbers.
        let typed: String = text
            .lines()
            .skip_while(|line| line.trim() != "filbert1")
            .take(5)
            .filter(|line| !line.contains('('))
            .collect();
        assert_eq!(RecoveryKey::parse(&typed), Ok(kit.key));
    }
}
