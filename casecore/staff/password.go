package staff

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// hashing is the cost of argon2id: 19 MiB, two passes, one lane (the second of
// OWASP's equivalent choices), about 30 ms. With hashersMax at work at once the
// memory is bounded however many people sign in.
type hashing struct {
	memory  uint32 // KiB
	passes  uint32
	lanes   uint8
	saltLen int
	keyLen  uint32
}

const (
	hashersMax = 2
	waitersMax = 64 // beyond them a sign-in is told to come back
)

func standardHashing() hashing {
	return hashing{memory: 19 * 1024, passes: 2, lanes: 1, saltLen: 16, keyLen: 32}
}

// hasher computes at most hashersMax hashes at a time.
type hasher struct {
	cost    hashing
	slots   chan struct{}
	waiting chan struct{}
	dummy   string // compared with when there is no such login, for the same time
}

func newHasher(cost hashing) *hasher {
	h := &hasher{cost: cost, slots: make(chan struct{}, hashersMax), waiting: make(chan struct{}, waitersMax)}
	h.dummy = cost.phc(make([]byte, cost.saltLen), make([]byte, cost.keyLen))
	return h
}

func (h *hasher) slot(ctx context.Context) (release func(), err error) {
	select {
	case h.waiting <- struct{}{}:
	default:
		return nil, &TooMany{RetryAfter: 2 * time.Second}
	}
	defer func() { <-h.waiting }()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hash returns password in PHC form under a fresh salt.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	release, err := h.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := make([]byte, h.cost.saltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("salt of a password: %w", err)
	}
	return h.cost.phc(salt, h.cost.key(password, salt)), nil
}

// verify says whether password gives the hash phc; an empty one never matches
// and takes as long.
func (h *hasher) verify(ctx context.Context, password, phc string) (bool, error) {
	real := phc != ""
	if !real {
		phc = h.dummy
	}
	cost, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	release, err := h.slot(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	return subtle.ConstantTimeCompare(cost.key(password, salt), want) == 1 && real, nil
}

// outdated says whether phc was made at another cost than today's.
func (h *hasher) outdated(phc string) bool {
	cost, _, _, err := parsePHC(phc)
	return err == nil && cost != h.cost
}

func (c hashing) key(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.lanes, c.keyLen)
}

func (c hashing) phc(salt, key []byte) string {
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.passes, c.lanes, e.EncodeToString(salt), e.EncodeToString(key))
}

var errBadHash = errors.New("a stored password is not an argon2id hash that can be computed here")

// parsePHC reads what phc wrote; costs that would stop the process are refused.
func parsePHC(s string) (c hashing, salt, key []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errBadHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.passes, &c.lanes); err != nil {
		return c, nil, nil, errBadHash
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	c.saltLen, c.keyLen = len(salt), uint32(len(key))
	if err1 != nil || err2 != nil || c.memory < 8 || c.memory > 1<<20 || c.passes < 1 || c.passes > 16 || c.lanes < 1 || len(salt) < 8 || len(key) < 16 || len(key) > 64 {
		return c, nil, nil, errBadHash
	}
	return c, salt, key, nil
}
