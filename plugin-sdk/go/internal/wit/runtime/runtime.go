// Package runtime gives the gateway memory for what it passes, and keeps it where it is.
package runtime

import (
	"runtime"
	"unsafe"
)

// What the gateway has written and nobody has let go of yet.
var given runtime.Pinner

// Allocate gives zeroed memory that stays where it is until the pinner lets go.
func Allocate(pinner *runtime.Pinner, size, _ uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	// Words, so that it is aligned for whatever is put there.
	words := make([]uint64, (size+7)/8)
	memory := unsafe.Pointer(unsafe.SliceData(words))
	pinner.Pin(memory)
	return memory
}

// Unpin leaves to the garbage collector what the gateway has written: what is still used, Go knows by itself.
func Unpin() { given.Unpin() }

//go:wasmexport cabi_realloc
func reallocate(old unsafe.Pointer, oldSize, alignment, size uint32) unsafe.Pointer {
	memory := Allocate(&given, uintptr(size), uintptr(alignment))
	if old != nil && oldSize > 0 {
		copy(unsafe.Slice((*byte)(memory), size), unsafe.Slice((*byte)(old), oldSize))
	}
	return memory
}
