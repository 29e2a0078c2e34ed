package bot

import "testing"

// Words returns the catalogue.
func Words(t *testing.T) map[string]map[string]string {
	t.Helper()
	words, err := catalog()
	if err != nil {
		t.Fatal(err)
	}
	return words
}
