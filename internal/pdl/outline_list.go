package pdl

// elements makes the symbols of what is inside the records of a list. One whose
// name is not found in the file as it reads stands where the list does.
func elements(list Symbol, written *node) []Symbol {
	places := memberPlaces(written.src, written.line, written.col)
	var symbols []Symbol
	for _, m := range list.Type.Elem.Members {
		s := Symbol{
			Kind: ElementSymbol, Name: list.Name + "[]." + m.Name, Owner: list.Owner, Type: m.Type, Text: m.Type.String(),
			Optional: m.Optional, Pos: list.Pos, EndCol: list.EndCol,
		}
		if p, found := places[m.Name]; found {
			s.Line, s.Col, s.EndCol = p.line, p.col, p.col+len(m.Name)
		}
		symbols = append(symbols, s)
	}
	return symbols
}

// A memberPlace is where the name of a member begins.
type memberPlace struct{ line, col int }

// memberPlaces finds the names in `list({name: T, …})`, from where that begins
// on, in the file as it is written: what is escaped there moves nothing.
func memberPlaces(src *source, line, col int) map[string]memberPlace {
	places := map[string]memberPlace{}
	depth, key, at, expected := 0, "", memberPlace{}, false
	for n := line; n <= len(src.lines); n++ {
		for _, c := range src.from(n, col) {
			switch {
			case c == '(' || c == '{' || c == '[':
				depth++
				key, expected = "", depth == 2
			case c == ')' || c == '}' || c == ']':
				if depth--; depth < 2 {
					return places
				}
			case depth == 2 && c == ',':
				key, expected = "", true
			case expected && c == ':':
				places[key], expected = at, false
			case expected && isNameChar(c):
				if key == "" {
					at = memberPlace{n, col}
				}
				key += string(c)
			}
			col++
		}
		col = 1
	}
	return places
}

func isNameChar(c rune) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
