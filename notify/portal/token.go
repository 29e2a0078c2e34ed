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

	"casewire/channels"
)

// macBytes is how much of the signature a link carries: 96 bits, which no number
// of requests guesses, and a link short enough for an SMS.
const macBytes = 12

// encoding of tokens. Strict: a page has one address.
var encoding = base64.RawURLEncoding.Strict()

// token is what stands in the link to a case's page: the number, which of its
// links are good, and the signature over both.
func (p *Portal) token(number, generation int64) string {
	b := binary.AppendUvarint(nil, uint64(number)) //nolint:gosec // numbers are positive
	b = binary.AppendUvarint(b, uint64(generation))
	return encoding.EncodeToString(append(b, p.mac("page", b)[:macBytes]...))
}

// open returns what a token says; ok is false for one that we did not make.
func (p *Portal) open(token string) (number, generation int64, ok bool) {
	const most = (2*binary.MaxVarintLen64 + macBytes) * 4 / 3
	if len(token) > most+1 {
		return 0, 0, false
	}
	b, err := encoding.DecodeString(token)
	if err != nil || len(b) < macBytes || strings.ContainsAny(token, "\r\n") { // which decoding leaves out
		return 0, 0, false
	}
	said, mac := b[:len(b)-macBytes], b[len(b)-macBytes:]
	if !hmac.Equal(mac, p.mac("page", said)[:macBytes]) {
		return 0, 0, false
	}
	n, used := binary.Uvarint(said)
	if used <= 0 {
		return 0, 0, false
	}
	g, rest := binary.Uvarint(said[used:])
	if rest <= 0 || used+rest != len(said) {
		return 0, 0, false
	}
	return int64(n), int64(g), true //nolint:gosec // we signed them
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
