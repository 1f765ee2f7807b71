package lsp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	maxMessage = 32 << 20 // bytes of one message
	maxHeader  = 4 << 10  // bytes of one line of a header
)

// errTooLarge says that a message was left out for its size; the next one can
// be read.
var errTooLarge = errors.New("the message is too large")

// readMessage returns the body of the next message (LSP base protocol: header
// lines, an empty line, Content-Length bytes). Lines that are no header of the
// protocol are skipped, so that garbage costs no more than itself.
func readMessage(r *bufio.Reader) ([]byte, error) {
	length := int64(-1)
	for {
		line, err := headerLine(r)
		if err != nil {
			return nil, err
		}
		name, value, _ := strings.Cut(line, ":")
		switch {
		case strings.EqualFold(strings.TrimSpace(name), "Content-Length"):
			length = -1
			if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil && n >= 0 {
				length = n
			}
			continue
		case line != "" || length < 0:
			continue
		case length > maxMessage:
			if _, err := io.CopyN(io.Discard, r, length); err != nil {
				return nil, io.EOF
			}
			return nil, errTooLarge
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, io.EOF
		}
		return body, nil
	}
}

// headerLine reads a line; what is longer than any header comes cut.
func headerLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line) < maxHeader {
			line = append(line, part...)
		}
		switch {
		case err == nil:
			return strings.TrimRight(string(line), "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

func writeMessage(w io.Writer, body []byte) error {
	_, err := fmt.Fprintf(w, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return err
}
