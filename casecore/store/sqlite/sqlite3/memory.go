package sqlite3

import (
	"unsafe"

	lib "modernc.org/sqlite/lib"
)

// Memory of the library never moves and is not the garbage collector's; its
// addresses are plain numbers. Only this file looks behind them.

const pointerSize = unsafe.Sizeof(uintptr(0))

// view is the n bytes at p.
func view(p uintptr, n int) []byte { return unsafe.Slice(*(**byte)(unsafe.Pointer(&p)), n) }

// pointer is the address that is stored at p.
func pointer(p uintptr) uintptr { return **(**uintptr)(unsafe.Pointer(&p)) }

// setPointer stores an address at p.
func setPointer(p, to uintptr) { **(**uintptr)(unsafe.Pointer(&p)) = to }

// same is b as a string, for as long as nobody changes b.
func same(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// address is what the library calls a function by. fn must be declared and not a
// closure: the library's memory does not keep anything alive.
func address[F any](fn F) uintptr { return *(*uintptr)(unsafe.Pointer(&fn)) }

// function is the function that the library calls by p.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

func logAt(p uintptr) *bufferedLog { return *(**bufferedLog)(unsafe.Pointer(&p)) }

func methodsAt(p uintptr) *lib.Tsqlite3_io_methods {
	return *(**lib.Tsqlite3_io_methods)(unsafe.Pointer(&p))
}
