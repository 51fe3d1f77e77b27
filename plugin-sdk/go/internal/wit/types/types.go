// Package types has the shapes that bindings share: options, results and tuples.
package types

// Tags of a Result and an Option.
const (
	ResultOk  uint8 = 0
	ResultErr uint8 = 1

	OptionNone uint8 = 0
	OptionSome uint8 = 1
)

// Unit is nothing.
type Unit struct{}

// Result is one or the other.
type Result[T, E any] struct {
	tag uint8
	ok  T
	err E
}

// Ok is a good one.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{tag: ResultOk, ok: value} }

// Err is a bad one.
func Err[T, E any](value E) Result[T, E] { return Result[T, E]{tag: ResultErr, err: value} }

// Tag is ResultOk or ResultErr.
func (result Result[T, E]) Tag() uint8 { return result.tag }

// Ok is its value, where it is good.
func (result Result[T, E]) Ok() T { return result.ok }

// Err is its value, where it is bad.
func (result Result[T, E]) Err() E { return result.err }

// Option may be absent.
type Option[T any] struct {
	tag  uint8
	some T
}

// Some is there.
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

// None is absent.
func None[T any]() Option[T] { return Option[T]{} }

// Tag is OptionNone or OptionSome.
func (option Option[T]) Tag() uint8 { return option.tag }

// Some is its value, where it is there.
func (option Option[T]) Some() T { return option.some }

// Tuple2 is two.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}
