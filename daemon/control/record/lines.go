package record

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// text is a recording without its compression: read once from the beginning, and then wherever a line is.
type text interface {
	io.Reader
	// at returns n octets from an offset.
	at(off int64, n int) ([]byte, error)
}

// plain is a file that is not compressed.
type plain struct {
	io.Reader
	file io.ReaderAt
}

func (p plain) at(off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := p.file.ReadAt(b, off)
	return b, err
}

// block is a part of a compressed file that can be read by itself.
type block struct {
	off  int64 // in the file
	text int64 // offset of its first octet in the text
	size int64 // of its text
}

// maxBlock is the longest text of a block that is kept in memory to be read from.
const maxBlock = blockSize + MaxLine + 1

// errWhole is a file that others than a Writer have compressed.
var errWhole = errors.New("was compressed as a whole, so that it could not be gone back in: unpack it with gunzip first")

// keepBlocks is how many blocks are kept as text, for lines that are read one after the other.
const keepBlocks = 4

// zipped is a compressed file, which is a row of blocks.
type zipped struct {
	file io.ReaderAt
	size int64
	most int64   // octets of text that a block may have
	in   counted // of the first reading
	zip  *gzip.Reader

	blocks []block

	mu   sync.Mutex
	kept []keptBlock // used last is last
}

type keptBlock struct {
	i    int
	text []byte
}

// counted knows how much of a file was read.
type counted struct {
	*bufio.Reader
	from *io.SectionReader
}

func (c *counted) offset() int64 {
	n, _ := c.from.Seek(0, io.SeekCurrent)
	return n - int64(c.Buffered())
}

func newZipped(file io.ReaderAt, size int64) (*zipped, error) {
	from := io.NewSectionReader(file, 0, size)
	z := &zipped{file: file, size: size, most: maxBlock, in: counted{bufio.NewReaderSize(from, 32<<10), from}, blocks: []block{{}}}
	var err error
	if z.zip, err = gzip.NewReader(z.in); err != nil {
		return nil, err
	}
	z.zip.Multistream(false)
	return z, nil
}

// Read implements io.Reader: the text from its beginning, during which it learns where blocks begin.
func (z *zipped) Read(b []byte) (int, error) {
	for {
		now := &z.blocks[len(z.blocks)-1]
		n, err := z.zip.Read(b)
		if now.size += int64(n); now.size > z.most {
			return n, errWhole
		}
		if n > 0 {
			if errors.Is(err, io.EOF) {
				err = nil // which comes again
			}
			return n, err
		}
		if !errors.Is(err, io.EOF) {
			return 0, err
		}
		off := z.in.offset()
		if err := z.zip.Reset(z.in); err != nil {
			return 0, err // io.EOF after the last block
		}
		z.zip.Multistream(false)
		z.blocks = append(z.blocks, block{off: off, text: now.text + now.size})
	}
}

func (z *zipped) at(off int64, n int) ([]byte, error) {
	i, found := slices.BinarySearchFunc(z.blocks, off, func(b block, off int64) int { return int(min(max(b.text-off, -1), 1)) })
	if !found {
		i--
	}
	out := []byte(nil)
	for n > 0 && i < len(z.blocks) { // a line may go on in the next block, if others than a Writer compressed it
		text, err := z.block(i)
		if err != nil {
			return nil, err
		}
		from := off - z.blocks[i].text
		if from < int64(len(text)) {
			part := text[from:min(from+int64(n), int64(len(text)))]
			if out == nil && len(part) == n {
				return part, nil
			}
			out, n, off = append(out, part...), n-len(part), off+int64(len(part))
		}
		i++
	}
	if n > 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return out, nil
}

// block is the text of a block.
func (z *zipped) block(i int) ([]byte, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if k := slices.IndexFunc(z.kept, func(b keptBlock) bool { return b.i == i }); k >= 0 {
		b := z.kept[k]
		z.kept = append(slices.Delete(z.kept, k, k+1), b)
		return b.text, nil
	}
	b := z.blocks[i]
	r, err := gzip.NewReader(bufio.NewReader(io.NewSectionReader(z.file, b.off, z.size-b.off)))
	if err != nil {
		return nil, err
	}
	r.Multistream(false)
	text := make([]byte, b.size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	if len(z.kept) >= keepBlocks {
		z.kept = slices.Delete(z.kept, 0, 1)
	}
	z.kept = append(z.kept, keptBlock{i, text})
	return text, nil
}

// openText opens a file, compressed or not.
func openText(f *os.File) (text, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	return newText(f, info.Size())
}

func newText(f io.ReaderAt, size int64) (text, error) {
	magic := make([]byte, 2)
	if n, err := f.ReadAt(magic, 0); n == 0 {
		if errors.Is(err, io.EOF) {
			err = errors.New("is empty")
		}
		return nil, err
	}
	if magic[0] != 0x1f || magic[1] != 0x8b {
		return plain{io.NewSectionReader(f, 0, size), f}, nil
	}
	z, err := newZipped(f, size)
	if err != nil {
		return nil, fmt.Errorf("begins like a gzip file, and cannot be unpacked: %w", err)
	}
	return z, nil
}
