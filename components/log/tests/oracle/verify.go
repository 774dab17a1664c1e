// Judges notes and proofs with golang.org/x/mod/sumdb/{note,tlog}, the code that verifies Go's checksum database.
// Why: a log that only its own code can verify is not evidence. scripts/oracles.sh builds this.
//
// Reads one JSON case per line, answers each with "accepted" or "refused: <why>".
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"oracle/note"
	"oracle/tlog"
)

type evidence struct {
	Kind    string
	Vkey    string
	Note    string
	Leaf    string
	Seqno   int64
	Size    int64
	Root    string
	Old     int64
	OldRoot string `json:"old_root"`
	Path    []string
}

func digest(text string) (tlog.Hash, error) {
	var hash tlog.Hash
	bytes, err := hex.DecodeString(text)
	if err == nil && len(bytes) != len(hash) {
		err = errors.New("not 32 bytes")
	}
	copy(hash[:], bytes)
	return hash, err
}

func judge(e evidence) error {
	if e.Kind == "note" {
		verifier, err := note.NewVerifier(e.Vkey)
		if err != nil {
			return err
		}
		_, err = note.Open([]byte(e.Note), note.VerifierList(verifier))
		return err
	}
	path := []tlog.Hash{}
	for _, text := range e.Path {
		hash, err := digest(text)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	root, err := digest(e.Root)
	if err != nil {
		return err
	}
	switch e.Kind {
	case "inclusion":
		leaf, err := digest(e.Leaf)
		if err != nil {
			return err
		}
		return tlog.CheckRecord(path, e.Size, root, e.Seqno, leaf)
	case "consistency":
		old, err := digest(e.OldRoot)
		if err != nil {
			return err
		}
		return tlog.CheckTree(path, e.Size, root, e.Old, old)
	}
	return fmt.Errorf("unknown kind %q", e.Kind)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e evidence
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := judge(e); err != nil {
			fmt.Println("refused:", err)
		} else {
			fmt.Println("accepted")
		}
	}
}
