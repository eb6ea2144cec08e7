//! Reads a QR code from a page: draws the page's SVG as a browser would, and hands the picture to a
//! decoder that shares nothing with what made the code.

/// What the one QR code of a page says.
pub fn read(page: &str) -> String {
    let from = page.find("<svg").unwrap();
    let svg = &page[from..from + page[from..].find("</svg>").unwrap()];
    let attribute = |element: &str, name: &str| {
        let rest = svg.split_once(element).unwrap().1;
        let rest = rest.split_once(&format!(" {name}=\"")).unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let size: Vec<usize> =
        attribute("<svg", "viewBox").split(' ').map(|word| word.parse().unwrap()).collect();
    let [0, 0, width, height] = size[..] else { panic!("{size:?}") };
    assert_eq!((attribute("<rect", "fill"), attribute("<path", "fill")), ("#fff".into(), "#000".into()));
    let mut dark = vec![false; width * height];
    for (left, top, wide, high) in rectangles(&attribute("<path", "d")) {
        for row in top..top + high {
            dark[row * width + left..][..wide].fill(true);
        }
    }
    let mut picture = rqrr::PreparedImage::prepare_from_bitmap(width, height, |x, y| dark[y * width + x]);
    let codes = picture.detect_grids();
    assert_eq!(codes.len(), 1, "codes in the picture");
    codes[0].decode().unwrap().1
}

/// Left, top, width and height of each rectangle in a path such as `M1 2h3v4H1V2M...`.
fn rectangles(path: &str) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    path.split('M').skip(1).map(|drawn| {
        let numbers: Vec<usize> =
            drawn.split([' ', 'h', 'v', 'H', 'V']).map(|word| word.parse().unwrap()).collect();
        let [left, top, wide, high, back, up] = numbers[..] else { panic!("{drawn}") };
        assert_eq!((back, up), (left, top), "a rectangle: {drawn}");
        (left, top, wide, high)
    })
}
