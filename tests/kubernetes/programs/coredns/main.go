// Command coredns is CoreDNS with the plugins that a cluster needs to resolve Services, and no others: it builds faster.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"     // writes errors on standard error
	_ "github.com/coredns/coredns/plugin/kubernetes" // answers with the addresses of Services and pods
	_ "github.com/coredns/coredns/plugin/ready"      // /ready on port 8181
)

func main() {
	// The order in which a query passes the plugins.
	dnsserver.Directives = []string{"ready", "errors", "kubernetes"}
	coremain.Run()
}
