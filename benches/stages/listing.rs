//! A WebDAV listing: request, transfer over the loopback, parsing of the answer. The answer is
//! made up beforehand, so that no server's work is measured.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use filbert::model::clock::SystemClock;
use filbert::store::{Store, WebdavOptions, WebdavStore};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A folder of `count` packs as Apache lists it.
fn answer(count: usize) -> Vec<u8> {
    let mut body =
        String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n");
    let mut entry = |name: &str, kind: &str, size: &str| {
        body += &format!(
            "<D:response xmlns:lp1=\"DAV:\">\n<D:href>/packs/{name}</D:href>\n<D:propstat>\n<D:prop>\n\
             <lp1:resourcetype>{kind}</lp1:resourcetype>\n{size}\
             <lp1:getlastmodified>Fri, 20 Nov 2026 12:00:00 GMT</lp1:getlastmodified>\n</D:prop>\n\
             <D:status>HTTP/1.1 200 OK</D:status>\n</D:propstat>\n</D:response>\n"
        );
    };
    entry("", "<D:collection/>", "");
    for number in 0..count {
        let name = blake3::hash(&number.to_le_bytes()).to_hex();
        entry(&name, "", "<lp1:getcontentlength>16777216</lp1:getcontentlength>\n");
    }
    body += "</D:multistatus>\n";
    let length = body.len();
    format!(
        "HTTP/1.1 207 Multi-Status\r\nContent-Type: text/xml; charset=\"utf-8\"\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Gives the same answer to every request, for as long as the program runs.
fn serve(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || converse(&stream, &answer));
        }
    });
    format!("http://{address}/packs/")
}

fn converse(mut stream: &TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut body_bytes = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.to_ascii_lowercase();
            if let Some(length) = line.strip_prefix("content-length:") {
                body_bytes = length.trim().parse().unwrap();
            }
            if line.trim_end().is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; body_bytes])?;
        stream.write_all(answer)?;
    }
}

#[divan::bench(args = [10, 750])]
fn webdav_listing(bencher: Bencher<'_, '_>, entries: usize) {
    let answer = answer(entries);
    let bytes = BytesCount::of_slice(&answer);
    let options = WebdavOptions::new(serve(answer));
    let store = WebdavStore::new(&options, Arc::new(SystemClock)).unwrap();
    bencher.counter(ItemsCount::new(entries)).counter(bytes).bench_local(|| {
        let listing = RUNTIME.block_on(store.list("")).unwrap();
        assert_eq!((listing.entries.len(), listing.skipped), (entries, 0));
    });
}
