package staff

// HashCheaply makes passwords cost next to nothing, for tests of other things.
func (d *Directory) HashCheaply() *Directory {
	d.hash = newHasher(hashing{memory: 64, passes: 1, lanes: 1, saltLen: 16, keyLen: 32})
	return d
}
