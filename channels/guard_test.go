package channels_test

import (
	"errors"
	"net/netip"
	"testing"

	"casewire/channels"
)

func TestWhereRequestsMayGo(t *testing.T) {
	for _, tc := range []struct {
		addr         string
		outside, own bool
	}{
		{"93.184.216.34", true, false},
		{"2606:2800:220:1::1", true, false},
		{"::ffff:93.184.216.34", true, false},
		{"127.0.0.1", false, true},
		{"127.9.9.9", false, true},
		{"::1", false, true},
		{"::ffff:127.0.0.1", false, true},
		{"10.1.2.3", false, true},
		{"172.16.0.1", false, true},
		{"192.168.1.1", false, true},
		{"::ffff:192.168.1.1", false, true},
		{"fd12:3456::1", false, true},
		{"fd00:ec2::254", false, false},
		{"169.254.169.254", false, false},
		{"::ffff:169.254.169.254", false, false},
		{"fe80::1", false, false},
		{"0.0.0.0", false, false},
		{"::", false, false},
		{"100.100.100.200", false, false},
		{"192.0.0.192", false, false},
		{"198.18.0.1", false, false},
		{"224.0.0.1", false, false},
		{"ff02::1", false, false},
		{"255.255.255.255", false, false},
		{"64:ff9b::7f00:1", false, false},
		{"2002:7f00:1::", false, false},
	} {
		a := netip.MustParseAddr(tc.addr)
		if channels.Outside(a) != tc.outside || channels.Own(a) != tc.own {
			t.Errorf("%s: outside %v, own %v", tc.addr, channels.Outside(a), channels.Own(a))
		}
		at := netip.AddrPortFrom(a, 443).String()
		if err := channels.OutsideOnly("tcp", at, nil); (err == nil) != tc.outside || err != nil && !errors.Is(err, channels.ErrInside) {
			t.Errorf("%s: OutsideOnly says %v", at, err)
		}
		if err := channels.OwnNetworks("tcp", at, nil); (err == nil) != (tc.outside || tc.own) {
			t.Errorf("%s: OwnNetworks says %v", at, err)
		}
	}
	for _, at := range []string{"", "example.com:443", "127.0.0.1"} {
		if channels.OutsideOnly("tcp", at, nil) == nil || channels.OwnNetworks("tcp", at, nil) == nil {
			t.Errorf("%q may be connected to", at)
		}
	}
}
