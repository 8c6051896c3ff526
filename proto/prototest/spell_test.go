package prototest

import (
	"fmt"
	"reflect"
	"strings"
)

// spell writes v out, byte strings quoted, so that a difference can be read and
// nil equals empty.
func spell(v any) string {
	var b strings.Builder
	spellValue(&b, reflect.ValueOf(v), "")
	return b.String()
}

func spellValue(b *strings.Builder, v reflect.Value, indent string) {
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		fmt.Fprintf(b, "%q", v.Bytes())
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			fmt.Fprintf(b, "\n%s%d: ", indent, i)
			spellValue(b, v.Index(i), indent+" ")
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fmt.Fprintf(b, "\n%s%s: ", indent, v.Type().Field(i).Name)
			spellValue(b, v.Field(i), indent+" ")
		}
	case v.Kind() == reflect.Pointer && !v.IsNil():
		spellValue(b, v.Elem(), indent)
	default:
		fmt.Fprint(b, v)
	}
}
