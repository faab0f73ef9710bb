//! How a file is compressed.

use std::io::{self, BufReader, Read};

/// A way of compressing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip, one member or several.
    Gzip,
    /// bzip2, one stream or several.
    Bzip2,
    /// xz, one stream or several.
    Xz,
    /// Zstandard, one frame or several.
    Zstd,
}

impl Compression {
    /// The compression of this name, as Python's tools call it.
    pub fn from_name(name: &str) -> Option<Compression> {
        match name {
            "gzip" | "gz" => Some(Compression::Gzip),
            "bz2" => Some(Compression::Bzip2),
            "xz" => Some(Compression::Xz),
            "zstd" | "zst" => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// A reader of what was compressed.
    ///
    /// # Errors
    /// If the decoder can't be set up.
    pub fn reader(self, file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        let file = BufReader::with_capacity(1 << 17, file);
        Ok(match self {
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
            Compression::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn compress(how: Compression, text: &[u8]) -> Vec<u8> {
        match how {
            Compression::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                writer.write_all(text).unwrap();
                writer.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                writer.write_all(text).unwrap();
                writer.finish().unwrap()
            }
            Compression::Xz => {
                let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
                writer.write_all(text).unwrap();
                writer.finish().unwrap()
            }
            Compression::Zstd => zstd::stream::encode_all(text, 1).unwrap(),
        }
    }

    #[test]
    fn files_of_several_streams_are_read_to_their_end() {
        for how in ["gzip", "bz2", "xz", "zstd"].map(|name| Compression::from_name(name).unwrap()) {
            let mut bytes = compress(how, b"one\n");
            bytes.extend(compress(how, b"two\n"));
            let mut text = Vec::new();
            how.reader(io::Cursor::new(bytes)).unwrap().read_to_end(&mut text).unwrap();
            assert_eq!(text, b"one\ntwo\n", "{how:?}");
        }
    }

    #[test]
    fn a_file_that_is_cut_short_is_an_error() {
        for how in ["gzip", "bz2", "xz", "zstd"].map(|name| Compression::from_name(name).unwrap()) {
            let mut bytes = compress(how, &b"some text that is long enough to be cut\n".repeat(50));
            bytes.truncate(bytes.len() - 9);
            let mut text = Vec::new();
            assert!(how.reader(io::Cursor::new(bytes)).unwrap().read_to_end(&mut text).is_err(), "{how:?}");
        }
    }
}
