//! What the emulator maps for itself, kept out of the guest's resource limits.
//!
//! The kernel counts the whole process against RLIMIT_AS and RLIMIT_DATA. So the host's soft limit
//! is the guest's plus what the emulator has mapped, and moves with that: the kernel then refuses a
//! mapping, a moved break or a grown stack exactly when it would refuse the guest's (may_expand_vm
//! in mm/mmap.c). The hard limit gets some room on top, since a process without CAP_SYS_RESOURCE
//! cannot raise it again. Where even that is impossible (a hard limit that somebody else has set),
//! the emulator's memory counts as the guest's.
//!
//! Nothing is asked of the kernel beyond the two limits at the start, as long as they are infinite.

use crate::raw::general::{__NR_madvise, __NR_mmap, __NR_mprotect, __NR_munmap, __NR_prlimit64, PROT_WRITE};
use crate::{Errno, Mutex, MutexGuard, SysResult, syscall};

/// The resources concerned, as prlimit(2) names them.
pub const RESOURCES: [u32; 2] = [RLIMIT_AS, RLIMIT_DATA];
/// RLIMIT_DATA's index in [`RESOURCES`].
pub const DATA: usize = 1;
const RLIMIT_DATA: u32 = 2;
const RLIMIT_AS: u32 = 9;
/// No limit.
pub const INFINITY: u64 = u64::MAX;
/// What a hard limit gets on top: more than the emulator ever maps.
const ROOM: u64 = 8 << 30;

/// Soft and hard limit, in bytes.
pub type Limits = [u64; 2];

/// What is known of a process of the emulator. Other processes read it at the same address.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Account {
    /// By [`RESOURCES`]: bytes that the emulator has mapped, all and private writable ones.
    own: [u64; 2],
    /// By [`RESOURCES`]: what the host's soft and hard limits have on top of the guest's.
    extra: [Limits; 2],
    /// Whether any limit is finite.
    finite: bool,
}

/// It lies where the other locks are that a fork takes: parent and child copy each page that they
/// write.
#[unsafe(link_section = ".data")]
static ACCOUNT: Mutex<Account> = Mutex::new(Account { own: [0; 2], extra: [[0; 2]; 2], finite: false });

/// Bytes that the emulator has mapped: all, and private writable ones.
pub fn mapped() -> [u64; 2] {
    ACCOUNT.lock().own
}

/// The account of this process, to be changed.
pub fn account() -> MutexGuard<'static, Account> {
    ACCOUNT.lock()
}

/// Where a process of the same executable has its account.
pub fn account_address() -> u64 {
    ACCOUNT.as_ptr() as u64
}

/// mmap(2) of private anonymous memory for the emulator.
///
/// # Safety
/// With a fixed place: it is the emulator's, and what lies there may be replaced.
pub unsafe fn map(at: u64, size: u64, prot: u32, flags: u32) -> SysResult {
    let mut account = ACCOUNT.lock();
    let sizes = [size, if prot & PROT_WRITE != 0 { size } else { 0 }];
    account.grow(sizes);
    // SAFETY: by the caller.
    let call = || unsafe { syscall!(__NR_mmap, at, size, prot, flags, -1i64, 0) };
    let mut result = call();
    // The guest may have more than its limits allow: they were lowered since. That is its own
    // mappings' matter.
    if result == Err(Errno::ENOMEM) && account.finite {
        result = account.beyond_soft_limits(call);
    }
    if result.is_err() {
        account.shrink(sizes);
    }
    result
}

/// Takes all access from [at, at + size), which was mapped writable by [`map`].
///
/// # Safety
/// The range is the emulator's, and nobody uses it.
pub unsafe fn forbid(at: u64, size: u64) {
    // SAFETY: by the caller.
    if unsafe { syscall!(__NR_mprotect, at, size, 0) }.is_ok() {
        ACCOUNT.lock().shrink([0, size]);
    }
}

/// munmap(2) of [at, at + size), in which [`map`] mapped `sizes` bytes (all, and writable ones).
///
/// # Safety
/// The range is the emulator's, and nobody uses it.
pub unsafe fn unmap(at: u64, size: u64, sizes: [u64; 2]) {
    // SAFETY: by the caller.
    if unsafe { syscall!(__NR_munmap, at, size) }.is_ok() {
        ACCOUNT.lock().shrink(sizes);
    }
}

/// Counts what the process begins with: `sizes` bytes of the emulator, all and private writable
/// ones. `room` is [`Account::room`] of the program before.
pub fn begin(sizes: [u64; 2], room: [[u64; 2]; 2]) {
    let mut account = ACCOUNT.lock();
    for (r, [hard, extra]) in room.into_iter().enumerate() {
        // A program in between may have changed the limit.
        if extra != 0 && host(0, RESOURCES[r]).is_ok_and(|limits| limits[1] == hard) {
            account.extra[r][1] = extra;
        }
    }
    account.own = sizes;
    account.settle();
}

/// The host's limits of a process (0: this one).
fn host(pid: i32, resource: u32) -> Result<Limits, Errno> {
    let mut limits = [0; 2];
    // SAFETY: the kernel fills our two words.
    unsafe { syscall!(__NR_prlimit64, pid, resource, 0, limits.as_mut_ptr()) }?;
    Ok(limits)
}

fn set_host(pid: i32, resource: u32, limits: Limits) -> Result<(), Errno> {
    // SAFETY: the kernel reads our two words.
    unsafe { syscall!(__NR_prlimit64, pid, resource, limits.as_ptr(), 0) }?;
    Ok(())
}

/// `limit` and more; infinite stays infinite, and finite finite.
fn plus(limit: u64, more: u64) -> u64 {
    if limit == INFINITY { limit } else { limit.saturating_add(more).min(INFINITY - 1) }
}

impl Account {
    /// Bytes that the emulator has mapped: all, and private writable ones.
    pub fn own(&self) -> [u64; 2] {
        self.own
    }

    fn grow(&mut self, sizes: [u64; 2]) {
        for (own, size) in self.own.iter_mut().zip(sizes) {
            *own += size;
        }
        if self.finite {
            self.settle();
        }
    }

    fn shrink(&mut self, sizes: [u64; 2]) {
        for (own, size) in self.own.iter_mut().zip(sizes) {
            *own = own.saturating_sub(size);
        }
        if self.finite {
            self.settle();
        }
    }

    /// Makes a call with soft limits as high as the hard ones.
    fn beyond_soft_limits<T>(&self, call: impl FnOnce() -> T) -> T {
        let limits = RESOURCES.map(|resource| host(0, resource).ok());
        let set = |of: fn(Limits) -> Limits| {
            for (limits, resource) in limits.iter().zip(RESOURCES) {
                // What cannot be raised is as low as it was; what was raised can be lowered.
                let _ = limits.map(|limits| set_host(0, resource, of(limits)));
            }
        };
        set(|limits| [limits[1]; 2]);
        let result = call();
        set(|limits| limits);
        result
    }

    /// The guest's soft limit for a resource of [`RESOURCES`] by its index, in bytes; none if the
    /// kernel does not tell.
    pub fn soft_limit(&self, r: usize) -> Option<u64> {
        host(0, RESOURCES[r]).ok().map(|limits| self.guest(r, limits)[0])
    }

    /// Makes the host's limits fit what the emulator has mapped now.
    pub fn settle(&mut self) {
        self.finite = false;
        for (r, resource) in RESOURCES.into_iter().enumerate() {
            let Ok(limits) = host(0, resource) else { continue };
            if limits == [INFINITY; 2] {
                self.extra[r] = [0; 2];
                continue;
            }
            self.finite = true;
            let guest = self.guest(r, limits);
            // The hard limit is raised only where the soft one needs that.
            let tight = self.soft(r, guest[0]) > limits[1];
            let raised = tight.then(|| plus(guest[1], ROOM));
            for hard in raised.into_iter().chain([limits[1]]) {
                if self.give(0, r, guest, hard).is_ok() {
                    break;
                }
            }
        }
    }

    /// The guest's limits for the host's.
    fn guest(&self, r: usize, host: Limits) -> Limits {
        core::array::from_fn(|i| match host[i] {
            INFINITY => INFINITY,
            limit => limit.saturating_sub(self.extra[r][i]),
        })
    }

    /// The host's soft limit for the guest's. With RLIMIT_DATA 0 the kernel lets the hard limit
    /// bind, "for valgrind".
    fn soft(&self, r: usize, guest: u64) -> u64 {
        if guest == 0 && RESOURCES[r] == RLIMIT_DATA { 0 } else { plus(guest, self.own[r]) }
    }

    /// Sets the host's limits to what the guest's need, with the hard limit `hard`.
    fn give(&mut self, pid: i32, r: usize, guest: Limits, hard: u64) -> Result<(), Errno> {
        let host = [self.soft(r, guest[0]).min(hard), hard];
        set_host(pid, RESOURCES[r], host)?;
        self.extra[r] = core::array::from_fn(|i| host[i].saturating_sub(guest[i]));
        Ok(())
    }

    /// prlimit(2) of a process (0: this one) whose account this is: the guest's old limits, and
    /// `new` ones for a resource of [`RESOURCES`] by its index.
    pub fn prlimit(&mut self, pid: i32, r: usize, new: Option<Limits>) -> Result<Limits, Errno> {
        let limits = host(pid, RESOURCES[r])?;
        let old = self.guest(r, limits);
        let Some(new) = new else { return Ok(old) };
        if new[0] > new[1] {
            return Err(Errno::EINVAL);
        }
        match self.give(pid, r, new, plus(new[1], ROOM)) {
            // The right to raise is not needed for what natively raises nothing.
            Err(Errno::EPERM) if new[1] <= old[1] => self.give(pid, r, new, limits[1])?,
            result => result?,
        }
        self.finite |= new[0] != INFINITY;
        Ok(old)
    }

    /// Makes the host's soft limits the guest's, for the program that an execve starts: the
    /// emulator's memory goes. `foreign`: the hard limits too. Returns the host's limits before,
    /// for [`after_exec`]. The account stays as it is: it may be that of a parent that shares
    /// memory.
    pub fn before_exec(&self, foreign: bool) -> [Limits; 2] {
        let mut before = [[INFINITY; 2]; 2];
        for (r, resource) in RESOURCES.into_iter().enumerate() {
            let Ok(limits) = host(0, resource) else { continue };
            before[r] = limits;
            let guest = self.guest(r, limits);
            // What fails leaves the next program more than it ought to have, no less.
            let _ = set_host(0, resource, [guest[0], if foreign { guest[1] } else { limits[1] }]);
        }
        before
    }

    /// Takes [`Account::before_exec`] back, after a failure.
    pub fn after_exec(&mut self, before: [Limits; 2]) {
        for (r, resource) in RESOURCES.into_iter().enumerate() {
            if set_host(0, resource, before[r]).is_err()
                && let Ok(now) = host(0, resource)
            {
                // The hard limit was made the guest's and cannot be raised again.
                let _ = self.give(0, r, self.guest(r, before[r]), now[1]);
            }
        }
    }

    /// The host's hard limits that have something on top, by [`RESOURCES`], and that: for [`begin`]
    /// of the next program. Zeros: none has.
    pub fn room(&self) -> [[u64; 2]; 2] {
        core::array::from_fn(|r| match (self.extra[r][1], host(0, RESOURCES[r])) {
            (0, _) | (_, Err(_)) => [0; 2],
            (extra, Ok(limits)) => [limits[1], extra],
        })
    }

    /// The smallest of the guest's soft limits from which the emulator's memory has to be taken,
    /// since the host's hard limit leaves no room.
    pub fn tight(&self) -> Option<u64> {
        if !self.finite {
            return None;
        }
        let tight = |r: usize| {
            let limits = host(0, RESOURCES[r]).ok()?;
            (limits[0] != INFINITY && self.extra[r][0] < self.own[r]).then(|| self.guest(r, limits)[0])
        };
        (0..RESOURCES.len()).filter_map(tight).min()
    }

    /// Whether any limit is finite, so that an execve needs [`Account::before_exec`].
    pub fn finite(&self) -> bool {
        self.finite
    }
}

/// Asks the kernel for pages of the emulator's own in one go: a fault for each would cost more.
pub fn populate(at: *mut u8, len: usize) {
    const MADV_POPULATE_WRITE: u32 = 23;
    // SAFETY: advice on a mapping of ours. An old kernel says EINVAL, and the pages then come by
    // faults.
    let _ = unsafe { syscall!(__NR_madvise, at, len, MADV_POPULATE_WRITE) };
}
