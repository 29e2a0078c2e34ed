package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"casewire/channels"
)

// Headers of the Standard Webhooks specification.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// key is the bytes of a secret. Its error does not repeat it.
func key(s channels.Secret) ([]byte, error) {
	text, ok := strings.CutPrefix(s.Value(), "whsec_")
	if !ok {
		return nil, errors.New("does not begin with whsec_")
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64 behind whsec_")
	}
	if len(b) < 24 || len(b) > 64 {
		return nil, errors.New("has not 24 to 64 bytes")
	}
	return b, nil
}

// sign sets the headers by which the receiver knows that body is ours: one
// signature for each secret, v1, over "id.timestamp.body".
func (s *Subscription) sign(h http.Header, id string, now time.Time, body []byte) error {
	stamp := strconv.FormatInt(now.Unix(), 10)
	var all []string
	for _, secret := range []channels.Secret{s.Secret, s.PreviousSecret} {
		if secret.IsZero() {
			continue
		}
		k, err := key(secret)
		if err != nil {
			return err
		}
		mac := hmac.New(sha256.New, k)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, stamp)
	h.Set(HeaderSignature, strings.Join(all, " "))
	return nil
}
