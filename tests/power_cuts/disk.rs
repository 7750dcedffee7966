//! A disk that replays a record: for each file and directory what it is now, what of it is durable, and the changes
//! since, in their order. From it come images: what a cut at this moment may leave.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::record::{Change, Record, SyncKind, Written};
use crate::survival::Survival;

/// A directory's files by their paths, as they lie there.
pub type Image = BTreeMap<String, Node>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Directory,
    File(Vec<u8>),
}

impl Node {
    pub fn length(&self) -> usize {
        match self {
            Node::Directory => 0,
            Node::File(bytes) => bytes.len(),
        }
    }
}

/// A change of a file that is not durable yet.
#[derive(Debug, Clone)]
pub enum FileChange {
    Write {
        offset: usize,
        data: Written,
    },
    Truncate {
        length: usize,
    },
    /// Grows to at least this length.
    Grow {
        length: usize,
    },
    Zero {
        offset: usize,
        length: usize,
    },
}

/// A change of a directory that is not durable yet.
#[derive(Debug, Clone)]
pub enum NameChange {
    Add { name: String, inode: usize },
    Remove { name: String },
    Rename { from: String, to: String },
}

/// A change with its place in the order of all changes.
pub type Numbered<T> = (usize, T);

#[derive(Debug, Clone)]
enum Inode {
    File { now: Vec<u8>, durable: Vec<u8>, since: Vec<Numbered<FileChange>> },
    Directory { now: Names, durable: Names, since: Vec<Numbered<NameChange>> },
}

type Names = BTreeMap<String, usize>;

const ROOT: usize = 0;

#[derive(Clone)]
pub struct Disk {
    inodes: Vec<Inode>,
    descriptors: HashMap<i32, usize>,
    syncs: HashMap<u64, (usize, usize)>,
    /// How many entries were replayed.
    pub position: usize,
    fdatasync_counts: bool,
    /// Bytes that were written over durable ones.
    pub overwritten: usize,
}

impl Disk {
    /// An empty directory. If `fdatasync` does not count, it vouches for nothing: what the engine does for itself is
    /// left.
    pub fn empty(fdatasync_counts: bool) -> Disk {
        let root = Inode::Directory { now: Names::new(), durable: Names::new(), since: Vec::new() };
        Disk {
            inodes: vec![root],
            descriptors: HashMap::new(),
            syncs: HashMap::new(),
            position: 0,
            fdatasync_counts,
            overwritten: 0,
        }
    }

    /// What lies in an image is durable.
    pub fn of(image: &Image) -> Disk {
        let mut disk = Disk::empty(true);
        for (path, node) in image {
            let inode = match node {
                Node::Directory => Inode::Directory { now: Names::new(), durable: Names::new(), since: Vec::new() },
                Node::File(bytes) => Inode::File { now: bytes.clone(), durable: bytes.clone(), since: Vec::new() },
            };
            let number = disk.add(inode);
            let (parent, name) = disk.parent(path);
            let Inode::Directory { now, durable, .. } = &mut disk.inodes[parent] else { unreachable!() };
            now.insert(name.clone(), number);
            durable.insert(name, number);
        }
        disk
    }

    /// Replays the entries before `position`.
    pub fn advance(&mut self, record: &Record, position: usize) {
        assert!(self.position <= position, "a disk does not go back");
        while self.position < position {
            let change = &record.entries[self.position].change;
            self.apply(change, &record.bytes);
            self.position += 1;
        }
    }

    /// What a cut now leaves, as `survival` decides.
    pub fn image(&self, survival: &mut Survival, bytes: &[u8]) -> Image {
        survival.begin(self.inodes.iter().filter_map(|inode| match inode {
            Inode::File { since, .. } => since.last().map(|(at, _)| *at),
            Inode::Directory { since, .. } => since.last().map(|(at, _)| *at),
        }));
        let mut image = Image::new();
        self.leave(ROOT, "", survival, bytes, &mut image);
        image
    }

    /// What lies there now, durable or not.
    pub fn now(&self) -> Image {
        let mut image = Image::new();
        self.show(ROOT, "", &mut image);
        image
    }

    fn show(&self, number: usize, path: &str, image: &mut Image) {
        match &self.inodes[number] {
            Inode::File { now, .. } => drop(image.insert(path.to_owned(), Node::File(now.clone()))),
            Inode::Directory { now, .. } => {
                if !path.is_empty() {
                    image.insert(path.to_owned(), Node::Directory);
                }
                for (name, inode) in now {
                    let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                    self.show(*inode, &below, image);
                }
            }
        }
    }

    fn leave(&self, number: usize, path: &str, survival: &mut Survival, bytes: &[u8], image: &mut Image) {
        match &self.inodes[number] {
            Inode::File { durable, since, .. } => {
                let left = survival.file(durable, since, bytes);
                image.insert(path.to_owned(), Node::File(left));
            }
            Inode::Directory { durable, since, .. } => {
                let mut names = durable.clone();
                let surviving = survival.names(since);
                for (_, change) in &since[..surviving] {
                    rename(&mut names, change);
                }
                if !path.is_empty() {
                    image.insert(path.to_owned(), Node::Directory);
                }
                for (name, inode) in names {
                    let below = if path.is_empty() { name } else { format!("{path}/{name}") };
                    self.leave(inode, &below, survival, bytes, image);
                }
            }
        }
    }

    fn apply(&mut self, change: &Change, bytes: &[u8]) {
        match change {
            Change::Start => {
                self.descriptors.clear();
                self.syncs.clear();
            }
            Change::Open { fd, path, creates, truncates } => {
                let number = self.find(path).unwrap_or_else(|| {
                    assert!(creates, "{path} was opened, but nobody made it");
                    self.make(path, Inode::File { now: Vec::new(), durable: Vec::new(), since: Vec::new() })
                });
                self.descriptors.insert(*fd, number);
                if *truncates {
                    self.change_file(*fd, FileChange::Truncate { length: 0 }, bytes);
                }
            }
            Change::Write { fd, offset, data } => {
                self.change_file(*fd, FileChange::Write { offset: *offset, data: data.clone() }, bytes);
            }
            Change::Truncate { fd, length } => self.change_file(*fd, FileChange::Truncate { length: *length }, bytes),
            Change::Allocate { fd, mode, offset, length } => {
                const KEEP_SIZE: i32 = 1;
                const PUNCH_HOLE: i32 = 2;
                match *mode {
                    0 => self.change_file(*fd, FileChange::Grow { length: offset + length }, bytes),
                    KEEP_SIZE => {}
                    mode if mode == KEEP_SIZE | PUNCH_HOLE => {
                        self.change_file(*fd, FileChange::Zero { offset: *offset, length: *length }, bytes);
                    }
                    mode => panic!("fallocate with mode {mode} is not simulated"),
                }
            }
            Change::SyncBegin { fd, kind, token } => {
                let counts = match kind {
                    SyncKind::Fsync => true,
                    SyncKind::Fdatasync => self.fdatasync_counts,
                    SyncKind::FileRange => false,
                };
                if counts {
                    self.syncs.insert(*token, (self.inode_of(*fd), self.position));
                }
            }
            Change::SyncEnd { token } => {
                if let Some((inode, began)) = self.syncs.remove(token) {
                    self.sync(inode, began, bytes);
                }
            }
            Change::Rename { from, to } => {
                let ((from_parent, from), (to_parent, to)) = (self.parent(from), self.parent(to));
                assert_eq!(from_parent, to_parent, "a rename from one directory to another is not simulated");
                self.change_names(from_parent, NameChange::Rename { from, to });
            }
            Change::Unlink { path } | Change::RemoveDirectory { path } => {
                let (parent, name) = self.parent(path);
                self.change_names(parent, NameChange::Remove { name });
            }
            Change::MakeDirectory { path } => {
                // The root itself is there from the start.
                if !path.is_empty() {
                    let made = Inode::Directory { now: Names::new(), durable: Names::new(), since: Vec::new() };
                    self.make(path, made);
                }
            }
            Change::Close { fd } => drop(self.descriptors.remove(fd)),
            Change::Duplicate { fd, copy } => drop(self.descriptors.insert(*copy, self.inode_of(*fd))),
        }
    }

    fn sync(&mut self, inode: usize, began: usize, bytes: &[u8]) {
        match &mut self.inodes[inode] {
            Inode::File { durable, since, .. } => {
                let vouched = since.partition_point(|(at, _)| *at < began);
                for (_, change) in since.drain(..vouched) {
                    change.apply(durable, bytes);
                }
            }
            Inode::Directory { durable, since, .. } => {
                let vouched = since.partition_point(|(at, _)| *at < began);
                for (_, change) in since.drain(..vouched) {
                    rename(durable, &change);
                }
            }
        }
    }

    fn change_file(&mut self, fd: i32, change: FileChange, bytes: &[u8]) {
        let (inode, at) = (self.inode_of(fd), self.position);
        let Inode::File { now, durable, since } = &mut self.inodes[inode] else { panic!("a write into a directory") };
        if let FileChange::Write { offset, data } = &change {
            self.overwritten += durable.len().min(offset + data.len()).saturating_sub(*offset);
        }
        change.apply(now, bytes);
        since.push((at, change));
    }

    fn change_names(&mut self, directory: usize, change: NameChange) {
        let at = self.position;
        let Inode::Directory { now, since, .. } = &mut self.inodes[directory] else { panic!("a file is no directory") };
        rename(now, &change);
        since.push((at, change));
    }

    fn make(&mut self, path: &str, inode: Inode) -> usize {
        let number = self.add(inode);
        let (parent, name) = self.parent(path);
        self.change_names(parent, NameChange::Add { name, inode: number });
        number
    }

    fn add(&mut self, inode: Inode) -> usize {
        self.inodes.push(inode);
        self.inodes.len() - 1
    }

    fn inode_of(&self, fd: i32) -> usize {
        *self.descriptors.get(&fd).unwrap_or_else(|| panic!("descriptor {fd} is not open"))
    }

    fn find(&self, path: &str) -> Option<usize> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(ROOT, |number, name| match &self.inodes[number] {
            Inode::Directory { now, .. } => now.get(name).copied(),
            Inode::File { .. } => None,
        })
    }

    fn parent(&self, path: &str) -> (usize, String) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.find(parent).unwrap_or_else(|| panic!("{parent} was never made")), name.to_owned())
    }
}

fn rename(names: &mut Names, change: &NameChange) {
    match change {
        NameChange::Add { name, inode } => drop(names.insert(name.clone(), *inode)),
        NameChange::Remove { name } => drop(names.remove(name)),
        NameChange::Rename { from, to } => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
    }
}

impl FileChange {
    pub fn apply(&self, file: &mut Vec<u8>, bytes: &[u8]) {
        match self {
            FileChange::Write { offset, data } => put(file, *offset, &bytes[data.clone()]),
            FileChange::Truncate { length } => file.resize(*length, 0),
            FileChange::Grow { length } => file.resize(file.len().max(*length), 0),
            FileChange::Zero { offset, length } => {
                let end = file.len().min(offset + length);
                if let Some(hole) = file.get_mut(*offset..end) {
                    hole.fill(0);
                }
            }
        }
    }
}

/// Writes into a file, which grows if it must.
pub fn put(file: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(data);
}

/// What really lies in a directory.
pub fn read_image(directory: &Path) -> Image {
    let mut image = Image::new();
    collect(directory, "", &mut image);
    image
}

fn collect(directory: &Path, prefix: &str, image: &mut Image) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            image.insert(path.clone(), Node::Directory);
            collect(&entry.path(), &format!("{path}/"), image);
        } else {
            image.insert(path, Node::File(std::fs::read(entry.path()).unwrap()));
        }
    }
}

/// Makes a directory of an image.
pub fn write_image(image: &Image, directory: &Path) {
    let _ = std::fs::remove_dir_all(directory);
    std::fs::create_dir_all(directory).unwrap();
    for (path, node) in image {
        match node {
            Node::Directory => std::fs::create_dir(directory.join(path)).unwrap(),
            Node::File(bytes) => std::fs::write(directory.join(path), bytes).unwrap(),
        }
    }
}
