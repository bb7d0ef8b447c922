//! Where a network address is, roughly, by a file that the operator gives. Without one nobody's place is looked for.
//! Source: MaxMind DB File Format Specification, with the fields of GeoIP2 City and Country.

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{Reader, geoip2};

/// An open file.
pub struct GeoIp(Reader<Vec<u8>>);

impl GeoIp {
    /// Reads the file at `path`; what is wrong with it, in a line for the operator.
    pub fn open(path: &Path) -> Result<Self, String> {
        let reader = Reader::open_readfile(path);
        reader.map(Self).map_err(|cause| format!("cannot read the GeoIP file {}: {cause}", path.display()))
    }

    /// "Brisbane, QLD, AU", as far as it is known.
    pub fn place(&self, address: IpAddr) -> Option<String> {
        let city: geoip2::City<'_> = self.0.lookup(address).ok()?.decode().ok()??;
        let region = city.subdivisions.first().and_then(|region| region.iso_code);
        let parts: Vec<&str> = [city.city.names.english, region, city.country.iso_code].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    #[cfg(test)]
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self(Reader::from_source(bytes).unwrap())
    }
}

impl std::fmt::Debug for GeoIp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GeoIp(…)")
    }
}

/// A file that says where the lower half of all addresses of IPv4 is, and nothing of the others.
#[cfg(test)]
pub(crate) fn sample_file() -> Vec<u8> {
    fn text(text: &str) -> Vec<u8> {
        assert!(text.len() < 29);
        [&[0b010_00000 | text.len() as u8], text.as_bytes()].concat()
    }
    fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let pairs_bytes: Vec<u8> = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
        [vec![0b111_00000 | pairs.len() as u8], pairs_bytes].concat()
    }
    let list = |items: &[Vec<u8>]| [vec![items.len() as u8, 4], items.concat()].concat();
    let number = |kind: u8, value: u32| [vec![kind << 5 | 4], value.to_be_bytes().to_vec()].concat();
    let place = map(&[
        ("city", map(&[("names", map(&[("en", text("Brisbane"))]))])),
        ("country", map(&[("iso_code", text("AU"))])),
        ("subdivisions", list(&[map(&[("iso_code", text("QLD"))])])),
    ]);
    // One node of the tree: to the left the first place of the data, to the right nothing.
    let (nodes, separator) = (1_u32, 16_u32);
    let record = |value: u32| value.to_be_bytes()[1..].to_vec();
    let tree = [record(nodes + separator), record(nodes)].concat();
    let epoch = [vec![8, 2], 1_700_000_000_u64.to_be_bytes().to_vec()].concat();
    let metadata = map(&[
        ("node_count", number(6, nodes)),
        ("record_size", vec![5 << 5 | 1, 24]),
        ("ip_version", vec![5 << 5 | 1, 4]),
        ("database_type", text("Test-City")),
        ("languages", list(&[text("en")])),
        ("binary_format_major_version", vec![5 << 5 | 1, 2]),
        ("binary_format_minor_version", vec![5 << 5 | 1, 0]),
        ("build_epoch", epoch),
        ("description", map(&[("en", text("Test"))])),
    ]);
    [tree, vec![0; 16], place, b"\xab\xcd\xefMaxMind.com".to_vec(), metadata].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_where_the_file_knows_it() {
        let file = GeoIp::of_bytes(sample_file());
        assert_eq!(file.place([1, 2, 3, 4].into()).as_deref(), Some("Brisbane, QLD, AU"));
        assert_eq!(file.place([192, 0, 2, 1].into()), None);
        assert_eq!(file.place("2001:db8::1".parse().unwrap()), None);
    }

    #[test]
    fn a_file_that_is_none_is_refused_by_its_name() {
        let wrong = GeoIp::open(Path::new("/nonexistent/GeoLite2-City.mmdb")).unwrap_err();
        assert!(wrong.starts_with("cannot read the GeoIP file /nonexistent/GeoLite2-City.mmdb: "), "{wrong}");
    }
}
