// SPDX-License-Identifier: Apache-2.0
// Tells the thread sanitizer of locks that it cannot see, because the libraries that hold them are not built with it:
// the slow way of Swift's Mutex, GLib's GMutex and GCond, the semaphores of Dispatch, and the counting of references, by
// which an array knows that nobody else reads it any more. Without this all that they guard looks unguarded. Preloaded by
// `make test-tsan`.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define SWIFT_CALL __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self

/// The function of this name in the library that this one stands before.
#define REAL(type, name)                            \
    static type real;                               \
    if (!real) real = (type)dlsym(RTLD_NEXT, name);

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
SWIFT_CALL void lock_slow(uint32_t thread, SELF) __asm__(LOCK_SLOW);
SWIFT_CALL void lock_slow(uint32_t thread, SELF) {
    typedef SWIFT_CALL void (*Lock)(uint32_t, SELF);
    REAL(Lock, LOCK_SLOW)
    real(thread, self);
    __tsan_acquire(self);
}

#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
SWIFT_CALL void unlock_slow(SELF) __asm__(UNLOCK_SLOW);
SWIFT_CALL void unlock_slow(SELF) {
    typedef SWIFT_CALL void (*Unlock)(SELF);
    REAL(Unlock, UNLOCK_SLOW)
    __tsan_release(self);
    real(self);
}

typedef void (*OnPointer)(void *);

void g_mutex_lock(void *mutex) {
    REAL(OnPointer, "g_mutex_lock")
    real(mutex);
    __tsan_acquire(mutex);
}

int g_mutex_trylock(void *mutex) {
    typedef int (*Try)(void *);
    REAL(Try, "g_mutex_trylock")
    int is_locked = real(mutex);
    if (is_locked) __tsan_acquire(mutex);
    return is_locked;
}

void g_mutex_unlock(void *mutex) {
    REAL(OnPointer, "g_mutex_unlock")
    __tsan_release(mutex);
    real(mutex);
}

void g_cond_wait(void *condition, void *mutex) {
    typedef void (*Wait)(void *, void *);
    REAL(Wait, "g_cond_wait")
    __tsan_release(mutex);
    real(condition, mutex);
    __tsan_acquire(mutex);
}

int g_cond_wait_until(void *condition, void *mutex, int64_t end) {
    typedef int (*Wait)(void *, void *, int64_t);
    REAL(Wait, "g_cond_wait_until")
    __tsan_release(mutex);
    int is_signalled = real(condition, mutex, end);
    __tsan_acquire(mutex);
    return is_signalled;
}

long dispatch_semaphore_signal(void *semaphore) {
    typedef long (*Signal)(void *);
    REAL(Signal, "dispatch_semaphore_signal")
    __tsan_release(semaphore);
    return real(semaphore);
}

long dispatch_semaphore_wait(void *semaphore, uint64_t timeout) {
    typedef long (*Wait)(void *, uint64_t);
    REAL(Wait, "dispatch_semaphore_wait")
    long is_late = real(semaphore, timeout);
    if (!is_late) __tsan_acquire(semaphore);
    return is_late;
}

void swift_release(void *object) {
    REAL(OnPointer, "swift_release")
    if (object) {
        __tsan_acquire(object);
        __tsan_release(object);
    }
    real(object);
}

_Bool swift_isUniquelyReferenced_nonNull_native(const void *object) {
    typedef _Bool (*Ask)(const void *);
    REAL(Ask, "swift_isUniquelyReferenced_nonNull_native")
    _Bool is_unique = real(object);
    if (is_unique) __tsan_acquire((void *)object);
    return is_unique;
}
