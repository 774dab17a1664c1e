// Judges notes, proofs, proof files and published trees with golang.org/x/mod/sumdb/{note,tlog}, the code that verifies Go's checksum database.
// Why: a log that only its own code can verify is not evidence. scripts/oracles.sh builds this.
//
// Reads one JSON case per line, answers each with "accepted" or "refused: <why>".
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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
	Dir     string
	Proof   string
	Entry   string
}

// A c2sp.org/tlog-proof without extra line: the entry is in the tree of the signed checkpoint.
func judgeProof(e evidence, verifier note.Verifier) error {
	head, text, found := strings.Cut(e.Proof, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("not a proof")
	}
	seqno, err := strconv.ParseInt(lines[1][len("index "):], 10, 64)
	if err != nil {
		return err
	}
	proof := tlog.RecordProof{}
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	size, root, err := openCheckpoint([]byte(text), verifier)
	if err != nil {
		return err
	}
	entry, err := hex.DecodeString(e.Entry)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, size, root, seqno, tlog.RecordHash(entry))
}

// Size and root of a signed checkpoint of the log that the verifier names.
func openCheckpoint(text []byte, verifier note.Verifier) (size int64, root tlog.Hash, err error) {
	signed, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return 0, root, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return 0, root, errors.New("not a checkpoint of this log")
	}
	if size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return 0, root, err
	}
	root, err = tlog.ParseHash(lines[2])
	return size, root, err
}

// A tree published as c2sp.org/tlog-tiles, which leaves the tile height out of the names.
type folder string

func (f folder) Height() int { return 8 }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, 0, len(tiles))
	for _, tile := range tiles {
		bytes, err := os.ReadFile(filepath.Join(string(f), strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		all = append(all, bytes)
	}
	return all, nil
}

// Every entry of the bundles must have a proof from the tiles to the root of the signed checkpoint.
func judgeTiles(dir string, verifier note.Verifier) error {
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	size, root, err := openCheckpoint(text, verifier)
	if err != nil {
		return err
	}
	tiles := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, folder(dir))
	for start := int64(0); start < size; start += 256 {
		tile := tlog.Tile{H: 8, L: 0, N: start / 256, W: int(min(256, size-start))}
		bundle, err := os.ReadFile(filepath.Join(dir, strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)))
		if err != nil {
			return err
		}
		for seqno := start; seqno < start+int64(tile.W); seqno++ {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				return errors.New("a bundle is cut")
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			proof, err := tlog.ProveRecord(size, seqno, tiles)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(proof, size, root, seqno, tlog.RecordHash(bundle[2:end])); err != nil {
				return err
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			return errors.New("a bundle is too long")
		}
	}
	return nil
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
	if e.Kind == "note" || e.Kind == "tiles" || e.Kind == "proof" {
		verifier, err := note.NewVerifier(e.Vkey)
		if err != nil {
			return err
		}
		switch e.Kind {
		case "tiles":
			return judgeTiles(e.Dir, verifier)
		case "proof":
			return judgeProof(e, verifier)
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
