//! What strace saw a program do to the files of one directory, in order.

use std::collections::HashMap;
use std::path::Path;

/// Something that changes what is on the disk, or promises that it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Write { file: String, at: usize, bytes: Vec<u8> },
    Resize { file: String, size: usize },
    Flush { file: String },
    Remove { file: String },
    Rename { from: String, to: String },
    Promised(Promise),
}

/// What the program says is safe, up to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    Stored(u32),
    Sent(u32),
}

/// The name of the file that promises are written to.
pub const PROMISES: &str = "promises";

/// The calls that are to be traced. The others change nothing that a power cut could take.
pub const CALLS: &str = "trace=openat,lseek,write,pwrite64,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2";

#[derive(Debug, Default)]
pub struct Trace {
    pub operations: Vec<Operation>,
    /// Where each open file stands, for programs that write without saying where.
    places: HashMap<u32, usize>,
    /// Calls that another thread has interrupted.
    unfinished: HashMap<String, String>,
}

impl Trace {
    /// Reads what `strace -f -y -xx` has written of the files in `dir`.
    pub fn read(text: &str, dir: &Path) -> Self {
        let mut trace = Self::default();
        for line in text.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            let call = if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
                trace.unfinished.insert(thread.to_owned(), begun.to_owned());
                continue;
            } else if let Some((_, end)) = rest.split_once(" resumed>") {
                trace.unfinished.remove(thread).unwrap_or_default() + end
            } else {
                rest.to_owned()
            };
            trace.call(&call, dir);
        }
        trace
    }

    /// How often a file was flushed.
    pub fn flushes(&self) -> usize {
        self.operations.iter().filter(|operation| matches!(operation, Operation::Flush { .. })).count()
    }

    /// One call, such as `pwrite64(4<\x2f..>, "\x00\x01"..., 2, 0) = 2`.
    fn call(&mut self, text: &str, dir: &Path) {
        let Some((name, rest)) = text.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(')')) else {
            return;
        };
        let result = result.trim_start_matches(['=', ' ']);
        let Ok(result) = result.split([' ', '<']).next().unwrap_or_default().parse::<usize>() else { return };
        let call = Call { arguments: arguments.split(", ").collect(), dir };
        if let Some(operation) = self.operation(name, &call, result) {
            self.operations.push(operation);
        }
    }

    fn operation(&mut self, name: &str, call: &Call<'_>, result: usize) -> Option<Operation> {
        let descriptor = call.descriptor();
        let operation = match name {
            "openat" => {
                self.places.insert(result as u32, 0);
                let file = call.path(1)?;
                return call
                    .arguments
                    .get(2)?
                    .contains("O_TRUNC")
                    .then_some(Operation::Resize { file, size: 0 });
            }
            "lseek" => {
                self.places.insert(descriptor?, result);
                return None;
            }
            "write" => {
                let at = std::mem::replace(self.places.entry(descriptor?).or_default(), 0);
                self.places.insert(descriptor?, at + result);
                Operation::Write { file: call.file()?, at, bytes: call.bytes(1, result)? }
            }
            "pwrite64" => {
                Operation::Write { file: call.file()?, at: call.number(3)?, bytes: call.bytes(1, result)? }
            }
            "ftruncate" => Operation::Resize { file: call.file()?, size: call.number(1)? },
            "fallocate" => {
                assert_eq!(call.arguments.get(1), Some(&"0"), "an unknown way to make room");
                Operation::Resize { file: call.file()?, size: call.number(2)? + call.number(3)? }
            }
            "fsync" | "fdatasync" => Operation::Flush { file: call.file()? },
            "unlink" => Operation::Remove { file: call.path(0)? },
            "unlinkat" => Operation::Remove { file: call.path(1)? },
            "rename" => Operation::Rename { from: call.path(0)?, to: call.path(1)? },
            "renameat" | "renameat2" => Operation::Rename { from: call.path(1)?, to: call.path(3)? },
            _ => return None,
        };
        Some(match operation {
            Operation::Write { file, bytes, .. } if file == PROMISES => Operation::Promised(promise(&bytes)),
            operation => operation,
        })
    }
}

fn promise(bytes: &[u8]) -> Promise {
    let text = std::str::from_utf8(bytes).unwrap().trim_end();
    match text.split_once(' ').unwrap() {
        ("stored", seq) => Promise::Stored(seq.parse().unwrap()),
        ("sent", seq) => Promise::Sent(seq.parse().unwrap()),
        other => panic!("a promise that nobody understands: {other:?}"),
    }
}

/// The arguments of a call. With `-xx` no string has a comma or a bracket of its own.
struct Call<'a> {
    arguments: Vec<&'a str>,
    dir: &'a Path,
}

impl Call<'_> {
    fn descriptor(&self) -> Option<u32> {
        self.arguments.first()?.split_once('<')?.0.parse().ok()
    }

    /// The open file, if it is one of ours.
    fn file(&self) -> Option<String> {
        self.ours(self.arguments.first()?.split_once('<')?.1)
    }

    fn path(&self, index: usize) -> Option<String> {
        self.ours(self.arguments.get(index)?)
    }

    fn ours(&self, quoted: &str) -> Option<String> {
        let path = String::from_utf8(unescaped(quoted)).ok()?;
        let name = Path::new(&path).strip_prefix(self.dir).ok()?.to_str()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn number(&self, index: usize) -> Option<usize> {
        self.arguments.get(index)?.parse().ok()
    }

    fn bytes(&self, index: usize, length: usize) -> Option<Vec<u8>> {
        let bytes = unescaped(self.arguments.get(index)?);
        assert!(bytes.len() >= length, "strace has cut a write short: {} of {length} bytes", bytes.len());
        Some(bytes[..length].to_vec())
    }
}

/// The bytes of `"\x2f\x61"`.
fn unescaped(text: &str) -> Vec<u8> {
    let digits: String = text.split("\\x").skip(1).map(|part| part.get(..2).unwrap_or_default()).collect();
    hex::decode(digits).unwrap_or_default()
}

#[test]
fn a_trace_is_read_in_the_order_of_what_was_done() {
    let text = r#"7 openat(AT_FDCWD<\x2f\x64>, "\x2f\x64\x2f\x61", O_RDWR|O_CREAT, 0600) = 4<\x2f\x64\x2f\x61>
7 pwrite64(4<\x2f\x64\x2f\x61>, "\x01\x02\x03", 3, 8 <unfinished ...>
8 fdatasync(9<\x2f\x65>) = 0
7 <... pwrite64 resumed>) = 2
7 lseek(4<\x2f\x64\x2f\x61>, 5, SEEK_SET) = 5
7 write(4<\x2f\x64\x2f\x61>, "\x09", 1) = 1
7 write(4<\x2f\x64\x2f\x61>, "\x0a", 1) = 1
7 fdatasync(4<\x2f\x64\x2f\x61>)        = 0
7 ftruncate(4<\x2f\x64\x2f\x61>, 6)     = -1 EIO (Input/output error)
7 rename("\x2f\x64\x2f\x61", "\x2f\x64\x2f\x62") = 0
8 write(5<\x2f\x64\x2f\x70\x72\x6f\x6d\x69\x73\x65\x73>, "\x73\x65\x6e\x74\x20\x37\x0a", 7) = 7
"#;
    let write = |at, bytes: &[u8]| Operation::Write { file: "a".into(), at, bytes: bytes.to_vec() };
    assert_eq!(
        Trace::read(text, Path::new("/d")).operations,
        [
            write(8, &[1, 2]),
            write(5, &[9]),
            write(6, &[10]),
            Operation::Flush { file: "a".into() },
            Operation::Rename { from: "a".into(), to: "b".into() },
            Operation::Promised(Promise::Sent(7)),
        ]
    );
}
