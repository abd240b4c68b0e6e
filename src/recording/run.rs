//! The description of a run: what it was asked to do, where, and with what. It has everything that is not in the
//! recordings. It is kept as `run.json` in the run's directory, and only this module knows that file.

use super::CellId;
use crate::capturer::{Capturer, SCHEMA_VERSION};
use crate::experiment::ExpectedEnd;
use crate::files::{make_directories, read_regular, replace_whole, write_private};
use crate::finding::Finding;
use crate::limit::LowLimit;
use crate::machine::Machine;
use crate::runtime::Sought;
use crate::strategy::{self, Capability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The name of the file.
const FILE: &str = "run.json";

/// The directory that holds the runs for which no directory is named.
const DEFAULT_PARENT: &str = ".crun-capture";

/// The link to the newest of these runs.
const LATEST: &str = "latest";

/// One run of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The version of the format.
    pub schema_version: u32,
    /// When the run was made, in UTC (RFC 3339).
    pub generated_at: String,
    /// The name and version of the program.
    pub tool: String,
    /// The machine on which it ran.
    pub machine: Machine,
    /// The limits of the host that are too low for the harness or for a strategy.
    #[serde(default)]
    pub low_limits: Vec<LowLimit>,
    /// The seed of the scripts and of the order of the cells.
    pub seed: u64,
    /// Whether the run does less of everything (`--quick`).
    pub quick: bool,
    /// The duration of the run.
    pub wall_ns: u64,
    /// Whether the run ended early, by the user or by an error. True as long as it runs.
    pub interrupted: bool,
    /// How many cells it has finished: as many lines its list of them has. None as long as it runs, and if it could not
    /// end in order.
    #[serde(default)]
    pub finished: Option<usize>,
    /// Processes that some cell left behind, nobody can tell which.
    pub left_behind: Vec<String>,
    /// For the command that runs a cell again: the word for each runtime, in their order, ready for a shell.
    pub runtime_words: Vec<String>,
    /// For the same command, the options for all cells: `--capturer FILE` and `--expectations FILE`, ready for a shell.
    pub other_words: String,
    /// The runtimes that were asked for, in the order of the report.
    pub runtimes: Vec<RuntimeInfo>,
    /// The capturers, in the order of the report.
    pub capturers: Vec<CapturerInfo>,
    /// The expectations, as they were read.
    pub expectations: String,
    /// The experiments and cases that `--quick` leaves out.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// How many cases each capturer would have on each runtime, if no experiment and no cell had been picked.
    pub cases: usize,
    /// All cells.
    pub plan: Vec<Planned>,
    /// The checksum of everything above (CRC-32), so that a later change is noticed.
    #[serde(default)]
    pub checksum: u32,
}

/// A runtime of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuntimeInfo {
    /// Its name in ids.
    pub name: String,
    /// The kind of runtime that it is, whatever its name in ids is: `crun`.
    pub kind: String,
    /// The version that it reports.
    pub version: String,
    /// The path of its program.
    pub path: String,
    /// How it was run, in words.
    pub mode: String,
    /// Whether it is a real OCI runtime.
    pub real: bool,
    /// Whether the run fails without it.
    pub required: bool,
    /// Why it was not run; null if it was.
    pub skipped: Option<String>,
    /// The command that fixes that.
    pub mend: Option<String>,
}

/// What the table of the spike, a design note for a Nomad task driver, says about a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// The column "Real-time".
    pub live: bool,
    /// The column "Stream Separation".
    pub apart: bool,
    /// The column "File Output".
    pub file: bool,
}

/// A capturer of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapturerInfo {
    /// Its name in ids.
    pub name: String,
    /// The capabilities that it declares.
    pub declares: Vec<Capability>,
    /// What the spike's table says about it.
    pub said: Option<Said>,
    /// Whether the spike recommends it.
    pub recommended: bool,
    /// Whether it is the control, which is measured beside the others.
    #[serde(default)]
    pub control: bool,
}

/// One cell of a run's plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The cell.
    pub id: CellId,
    /// The expected end, or why the cell is not run.
    pub expected: Result<ExpectedEnd, NotRun>,
    /// Whether its script is paced and unbuffered, so that a live capturer delivers most of it before the exit.
    pub paced: bool,
    /// The capabilities that the cell tries: it shows whether the capturer has them.
    #[serde(default)]
    pub tries: Vec<Capability>,
    /// Whether something may hold the streams, or the capturer, after the program's end, so that it may take as long as it
    /// drains.
    #[serde(default)]
    pub drains: bool,
    /// Whether the capturer must lose some of the output here, whatever it does.
    #[serde(default)]
    pub forces_loss: bool,
    /// The findings that say nothing about the capturer here.
    #[serde(default)]
    pub excused: Vec<Finding>,
    /// Why they are excused; null if nothing is excused.
    #[serde(default)]
    pub excused_because: Option<String>,
}

/// Why a cell is not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotRun {
    /// The cell cannot be tried there.
    Unsupported(String),
    /// The runtime is missing.
    Skipped(String),
}

impl Run {
    /// The version of the format.
    pub const SCHEMA_VERSION: u32 = SCHEMA_VERSION;

    /// Writes the description into the run's directory, in place of what is there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), RunError> {
        let whole = Run { checksum: self.sum(), ..self.clone() };
        let json = serde_json::to_vec_pretty(&whole).map_err(|error| RunError::Io(error.into()))?;
        replace_whole(&directory.join(FILE), &json).map_err(RunError::Io)
    }

    /// Reads the run in a directory.
    ///
    /// # Errors
    /// The directory holds no run, the run is of another version, or a cell's id cannot name a folder.
    pub fn load(directory: &Path) -> Result<Run, RunError> {
        let path = directory.join(FILE);
        let json = read_regular(&path).map_err(RunError::Io)?;
        let json = json.ok_or_else(|| RunError::None { directory: directory.to_owned(), path: path.clone() })?;
        let run: Run =
            serde_json::from_slice(&json).map_err(|source| RunError::Parse { path: path.clone(), source })?;
        check_version(&path, run.schema_version)?;
        match run.plan.iter().find(|planned| !planned.id.is_plain()) {
            Some(planned) => Err(RunError::Id { path, id: planned.id.to_string() }),
            None if run.checksum != run.sum() => Err(RunError::Changed { path }),
            None => Ok(run),
        }
    }
}

impl Run {
    /// The checksum that `save` stores.
    fn sum(&self) -> u32 {
        let bare = Run { checksum: 0, ..self.clone() };
        crc32fast::hash(&serde_json::to_vec(&bare).expect("a run is JSON"))
    }
}

/// Checks that a stored file of a run has the version that this program reads.
///
/// # Errors
/// It has another version.
pub fn check_version(path: &Path, version: u32) -> Result<(), RunError> {
    if version == SCHEMA_VERSION {
        return Ok(());
    }
    Err(RunError::Version { path: path.to_owned(), version })
}

/// Why a run cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or directory cannot be made, written or read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The directory holds no run.
    #[error("{} is not the directory of a run: cannot read {}", .directory.display(), .path.display())]
    None {
        /// The directory.
        directory: PathBuf,
        /// The file that is not there.
        path: PathBuf,
    },
    /// The file was changed after the run.
    #[error("{} is not what the run wrote: its checksum is another", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what `save` writes.
    #[error("cannot read {}: {source}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// It was made by another version of this program.
    #[error("{} has schema version {version}, but this program reads {SCHEMA_VERSION}: use the version that made it", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The id of a cell cannot name a folder.
    #[error("{} has a cell {id:?}, but the parts of its id are not plain names", .path.display())]
    Id {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
    },
    /// The directory holds a run already.
    #[error("{} holds a run already: name another directory", .0.display())]
    Taken(PathBuf),
    /// The directory for a new run cannot be made, or cannot be written into.
    #[error("cannot use the output directory {}: {source}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// The directory of a new run.
#[derive(Debug)]
pub struct RunDirectory {
    /// Its full path.
    pub path: PathBuf,
    /// Why the link `latest` does not lead to it, although it should. The link is a convenience, so this is not an
    /// error.
    pub not_latest: Option<String>,
}

impl RunDirectory {
    /// Makes the directory that was asked for, or else a new one below `.crun-capture`, with the link `latest` to it.
    ///
    /// # Errors
    /// The directory holds a run already, cannot be made, or cannot be written into.
    pub fn create(wanted: Option<&Path>, seed: u64) -> Result<RunDirectory, RunError> {
        match wanted {
            Some(path) => RunDirectory::at(path),
            None => RunDirectory::named_by_time(seed),
        }
    }

    fn at(path: &Path) -> Result<RunDirectory, RunError> {
        let failed = |source| RunError::Directory { path: path.to_owned(), source };
        make_directories(path).map_err(failed)?;
        if path.join(FILE).exists() {
            return Err(RunError::Taken(path.to_owned()));
        }
        let probe = path.join(".writable");
        write_private(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(failed)?;
        Ok(RunDirectory { path: path.canonicalize()?, not_latest: None })
    }

    fn named_by_time(seed: u64) -> Result<RunDirectory, RunError> {
        let parent = Path::new(DEFAULT_PARENT);
        make_directories(parent).map_err(|source| RunError::Directory { path: parent.to_owned(), source })?;
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        for copy in 0..1_000 {
            let name = if copy == 0 { format!("{stamp}-{seed}") } else { format!("{stamp}-{seed}.{copy}") };
            let path = parent.join(&name);
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    let not_latest = link_latest(parent, &name).err().map(|error| error.to_string());
                    return Ok(RunDirectory { path: path.canonicalize()?, not_latest });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(RunError::Directory { path, source }),
            }
        }
        let message = "it has 1,000 runs of this second already: try again";
        Err(RunError::Directory { path: parent.to_owned(), source: io::Error::other(message) })
    }
}

/// Points `latest` at the newest run.
fn link_latest(parent: &Path, name: &str) -> io::Result<()> {
    let (link, fresh) = (parent.join(LATEST), parent.join(format!(".{LATEST}-{name}")));
    let linked = std::os::unix::fs::symlink(name, &fresh).and_then(|()| fs::rename(&fresh, &link));
    linked.map_err(|error| io::Error::new(error.kind(), format!("cannot link {}: {error}", link.display())))
}

impl RuntimeInfo {
    /// What is known about a runtime that was looked for.
    pub fn of(sought: &Sought) -> RuntimeInfo {
        let (wanted, found, missing) = (&sought.wanted, sought.found.as_ref().ok(), sought.found.as_ref().err());
        RuntimeInfo {
            name: wanted.label.clone(),
            kind: found.map_or(wanted.runtime, |found| found.runtime).name().to_owned(),
            version: found.map(|found| found.version.clone()).unwrap_or_default(),
            path: found.map(|found| found.program.display().to_string()).unwrap_or_default(),
            mode: found.map(|found| found.mode_words()).unwrap_or_default(),
            real: found.map_or(wanted.runtime, |found| found.runtime).is_real(),
            required: wanted.required,
            skipped: missing.map(|unusable| unusable.reason.clone()),
            mend: missing.map(|unusable| unusable.mend.clone()).filter(|mend| !mend.is_empty()),
        }
    }
}

impl CapturerInfo {
    /// What is known about a capturer.
    pub fn of(capturer: &Capturer) -> CapturerInfo {
        let row = capturer.built_in.and_then(strategy::spike_row);
        CapturerInfo {
            name: capturer.name.clone(),
            declares: capturer.declares.iter().collect(),
            said: row.map(|row| Said { live: row.real_time, apart: row.separation, file: row.file }),
            recommended: row.is_some_and(|row| row.recommended),
            control: capturer.control,
        }
    }
}
