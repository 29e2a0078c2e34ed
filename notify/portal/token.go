package portal

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"casewire/channels"
)

// macBytes is how much of the signature a link carries: 96 bits, which no number
// of requests guesses, and a link short enough for an SMS.
const macBytes = 12

// encoding of tokens. Strict: a page has one address.
var encoding = base64.RawURLEncoding.Strict()

// token is what stands in the link to a case's page, before the signature over it.
type token struct {
	number     int64 // of the case
	generation int64 // which of its links are good
	day        int64 // since 1970, on which the link was made to a page that had ended; else 0
}

// made is when the link was made, to the day; long ago where that does not matter.
func (t token) made() time.Time { return time.Unix(t.day*24*60*60, 0) }

// day is the number of a time's day since 1970.
func day(at time.Time) int64 { return at.Unix() / (24 * 60 * 60) }

// sign writes a token with its signature.
func (p *Portal) sign(t token) string {
	b := binary.AppendUvarint(nil, uint64(t.number)) //nolint:gosec // numbers are positive
	b = binary.AppendUvarint(b, uint64(t.generation))
	if t.day > 0 {
		b = binary.AppendUvarint(b, uint64(t.day))
	}
	return encoding.EncodeToString(append(b, p.mac("page", b)[:macBytes]...))
}

// open reads a token; ok is false for one that we did not make.
func (p *Portal) open(signed string) (t token, ok bool) {
	const most = (3*binary.MaxVarintLen64 + macBytes) * 4 / 3
	if len(signed) > most+1 {
		return token{}, false
	}
	b, err := encoding.DecodeString(signed)
	if err != nil || len(b) < macBytes || strings.ContainsAny(signed, "\r\n") { // which decoding leaves out
		return token{}, false
	}
	said, mac := b[:len(b)-macBytes], b[len(b)-macBytes:]
	if !hmac.Equal(mac, p.mac("page", said)[:macBytes]) {
		return token{}, false
	}
	for i, part := range []*int64{&t.number, &t.generation, &t.day} {
		if i == 2 && len(said) == 0 {
			break
		}
		n, used := binary.Uvarint(said)
		if used <= 0 {
			return token{}, false
		}
		*part, said = int64(n), said[used:] //nolint:gosec // we signed it
	}
	return t, len(said) == 0
}

// ref names one of the customer's addresses on the page of a case. The id of an
// identity is a hash that a telephone number can be guessed from; this is not.
func (p *Portal) ref(caseID, identity string) string {
	return encoding.EncodeToString(p.mac("address", []byte(caseID+"\x00"+identity))[:9])
}

func (p *Portal) mac(of string, what []byte) []byte {
	h := hmac.New(sha256.New, p.o.Key)
	h.Write([]byte(of))
	h.Write([]byte{0})
	h.Write(what)
	return h.Sum(nil)
}

// keyName is where the key is kept.
const keyName = "key"

// LoadKey returns the key that links are signed with, and makes it the first time.
// All nodes get the same.
func LoadKey(ctx context.Context, m channels.Memory) ([]byte, error) {
	key, err := m.Load(ctx, keyName)
	if errors.Is(err, channels.ErrNotFound) {
		if _, err = m.Swap(ctx, keyName, nil, []byte(rand.Text()+rand.Text())); err != nil {
			return nil, fmt.Errorf("keep the key of customers' pages: %w", err)
		}
		key, err = m.Load(ctx, keyName)
	}
	if err != nil {
		return nil, fmt.Errorf("key of customers' pages: %w", err)
	}
	return key, nil
}
