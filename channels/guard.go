package channels

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrInside is the refusal to connect to an address inside: of this machine, its
// networks, or where clouds answer their own machines.
var ErrInside = errors.New("not an address of the outside")

// OutsideOnly is a net.Dialer's Control that refuses to connect to addresses
// inside, whatever name led there. What it refuses wraps ErrInside.
func OutsideOnly(_, address string, _ syscall.RawConn) error { return refuse(address, Outside) }

// OwnNetworks is a net.Dialer's Control that lets private addresses and this
// machine be reached as well as the outside, but nothing else: not the
// link-local addresses at which clouds hand out credentials.
func OwnNetworks(_, address string, _ syscall.RawConn) error {
	return refuse(address, func(a netip.Addr) bool { return Outside(a) || Own(a) })
}

func refuse(address string, may func(netip.Addr) bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !may(ap.Addr()) {
		return fmt.Errorf("connect: %w", ErrInside)
	}
	return nil
}

// inside are networks that netip does not know by name.
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"),
}

// clouds are addresses among the private ones at which clouds answer.
var clouds = netip.MustParseAddr("fd00:ec2::254")

// Outside says that an address is one of the public network.
func Outside(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range inside {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsGlobalUnicast() && !a.IsPrivate()
}

// Own says that an address is this machine's or one of a private network.
func Own(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return (a.IsLoopback() || a.IsPrivate()) && a != clouds
}
