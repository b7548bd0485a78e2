//! Compiled components, kept between runs.
//!
//! Compiled code is native code: whoever can forge an entry owns the process. So the folder is private to its owner,
//! and every entry carries a keyed digest over the component, the engine's settings and the code. An entry that does
//! not match is told and compiled again.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use wasmtime::Engine;

const KEY_FILE: &str = "key";
const ENTRY_ENDING: &str = "code";
const DIGEST_BYTES: usize = 32;
const OTHERS_MAY_WRITE: u32 = 0o022;

/// A folder of compiled components.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    key: [u8; DIGEST_BYTES],
}

/// Why a folder can't be used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The system said no.
    #[error("the cache {} can't be used: {error}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody else could write to it.
    #[error(
        "the cache {} can't be trusted: others own it or may write to it; make it private with `chmod 700` or choose another with --cache",
        path.display()
    )]
    Shared {
        /// The folder or file.
        path: PathBuf,
    },
}

impl Cache {
    /// Opens the folder, and makes it where it is missing.
    ///
    /// # Errors
    /// The folder can't be made, read or trusted.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let failed = |error| CacheError::Io { path: folder.to_owned(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        trusted(folder)?;
        let key_file = folder.join(KEY_FILE);
        let key = match read_key(&key_file) {
            Err(CacheError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                make_key(&key_file).or_else(|_| read_key(&key_file))?
            }
            // A crash has left it without its bytes: what it signed counts for nothing any more.
            Err(CacheError::Io { error, .. }) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let _ = fs::remove_file(&key_file);
                make_key(&key_file)?
            }
            other => other?,
        };
        Ok(Self { folder: folder.to_owned(), key })
    }

    /// The compiled code of a component, if it is here and genuine.
    #[must_use]
    pub fn find(&self, engine: &Engine, component: &[u8]) -> Option<Vec<u8>> {
        let path = self.path(engine, component);
        let mut entry = Vec::new();
        File::open(&path).ok()?.read_to_end(&mut entry).ok()?;
        let genuine = entry.len() > DIGEST_BYTES && {
            let (digest, code) = entry.split_at(DIGEST_BYTES);
            // `blake3::Hash` compares in constant time.
            self.digest(&path, code) == blake3::Hash::from_bytes(digest.try_into().ok()?)
        };
        if !genuine {
            tracing::warn!(
                "the cache entry {} is damaged or forged; compiling again",
                path.display()
            );
            return None;
        }
        entry.drain(..DIGEST_BYTES);
        Some(entry)
    }

    /// Keeps compiled code. A full disk is no reason to fail: it is told, and compiled again next time.
    pub fn keep(&self, engine: &Engine, component: &[u8], code: &[u8]) {
        let path = self.path(engine, component);
        let draft = path.with_extension(format!("{}.draft", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| {
                file.write_all(self.digest(&path, code).as_bytes())?;
                file.write_all(code)
            })
            .and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&draft);
            tracing::warn!("compiled code was not kept in {}: {error}", path.display());
        }
    }

    /// The entry's file, named after the component and all that its compiled form depends on.
    fn path(&self, engine: &Engine, component: &[u8]) -> PathBuf {
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let mut name = blake3::Hasher::new();
        name.update(&settings.finish().to_le_bytes());
        name.update(component);
        self.folder.join(name.finalize().to_hex().as_str()).with_extension(ENTRY_ENDING)
    }

    /// The digest binds the code to its name, so that one entry can't stand in for another.
    fn digest(&self, path: &Path, code: &[u8]) -> blake3::Hash {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        blake3::Hasher::new_keyed(&self.key).update(name).update(code).finalize()
    }
}

/// Refuses what another user owns or may write to.
fn trusted(path: &Path) -> Result<(), CacheError> {
    let facts = fs::symlink_metadata(path)
        .map_err(|error| CacheError::Io { path: path.to_owned(), error })?;
    let ours = facts.uid() == rustix::process::geteuid().as_raw();
    if !ours || facts.mode() & OTHERS_MAY_WRITE != 0 || facts.is_symlink() {
        return Err(CacheError::Shared { path: path.to_owned() });
    }
    Ok(())
}

fn read_key(path: &Path) -> Result<[u8; DIGEST_BYTES], CacheError> {
    trusted(path)?;
    let mut key = [0; DIGEST_BYTES];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut key))
        .map_err(|error| CacheError::Io { path: path.to_owned(), error })?;
    Ok(key)
}

/// Makes the secret that authenticates entries. It appears whole or not at all, also when two runs begin at once.
fn make_key(path: &Path) -> Result<[u8; DIGEST_BYTES], CacheError> {
    let mut key = [0; DIGEST_BYTES];
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut key))
        .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft))
        .and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all()))
        .and_then(|()| fs::hard_link(&draft, path))
        .map_err(|error| CacheError::Io { path: path.to_owned(), error })
        .inspect_err(|_| drop(fs::remove_file(&draft)))?;
    let _ = fs::remove_file(&draft);
    Ok(key)
}
