// Command load sends requests at a steady rate, and writes as JSON what came of them. It ends when its standard input does, or after
// a time; count and time are bounded.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	maxRequests = 100_000
	timeout     = 10 * time.Second
)

// result counts outcomes: a status alone if the response is complete, else what went wrong. Go sends a GET again if its connection was
// closed before the first byte of the response (RFC 9110 §9.2.2); such a one is counted apart, too.
type result struct {
	sync.Mutex
	Sent      int                `json:"sent"`
	Again     int                `json:"sent_again"`
	Outcomes  map[string]int     `json:"outcomes"`
	FirstAt   map[string]float64 `json:"first_at_seconds"`
	LastAt    map[string]float64 `json:"last_at_seconds"`
	SlowestMs int64              `json:"slowest_ms"`
}

func (r *result) add(outcome string, connections int, start, sent time.Time) {
	at := sent.Sub(start).Seconds()
	took := time.Since(sent).Milliseconds()
	r.Lock()
	defer r.Unlock()
	r.Sent++
	if connections > 1 {
		r.Again++
	}
	r.Outcomes[outcome]++
	if _, seen := r.FirstAt[outcome]; !seen {
		r.FirstAt[outcome] = at
	}
	r.LastAt[outcome] = at
	r.SlowestMs = max(r.SlowestMs, took)
}

// request sends one request, and returns its outcome and on how many connections it was sent.
func request(client *http.Client, url string, headers http.Header) (outcome string, connections int) {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connections++ }}
	asked, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), http.MethodGet, url, nil)
	if err != nil {
		return err.Error(), 0
	}
	asked.Header = headers.Clone()
	asked.Host = headers.Get("host")
	response, err := client.Do(asked)
	if err != nil {
		return err.Error(), connections
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return fmt.Sprintf("%d, cut off: %v", response.StatusCode, err), connections
	}
	return fmt.Sprint(response.StatusCode), connections
}

func main() {
	url := flag.String("url", "", "where to send the requests")
	rate := flag.Int("rate", 100, "requests a second")
	duration := flag.Duration("for", 10*time.Second, "how long at most")
	connections := flag.Int("connections", 16, "number of clients, each with one connection")
	fresh := flag.Bool("fresh", false, "a new connection for each request")
	headers := http.Header{}
	flag.Func("header", "a header of each request, as NAME: VALUE", func(text string) error {
		name, value, found := strings.Cut(text, ":")
		if !found {
			return fmt.Errorf("write NAME: VALUE")
		}
		headers.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		return nil
	})
	flag.Parse()
	if *url == "" || *rate < 1 || *connections < 1 || float64(*rate)*duration.Seconds() > maxRequests {
		log.Fatalf("name a URL, and a rate and a time for at most %d requests", maxRequests)
	}

	seen := &result{Outcomes: map[string]int{}, FirstAt: map[string]float64{}, LastAt: map[string]float64{}}
	due := make(chan struct{}, maxRequests)
	start := time.Now()
	var clients sync.WaitGroup
	for range *connections {
		clients.Add(1)
		go func() {
			defer clients.Done()
			// A transport of its own, so that each client keeps a connection of its own.
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: *fresh}, Timeout: timeout}
			for range due {
				sent := time.Now()
				outcome, connections := request(client, *url, headers)
				seen.add(outcome, connections, start, sent)
			}
		}()
	}
	enough := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(enough)
	}()
	tick := time.NewTicker(time.Second / time.Duration(*rate))
sending:
	for time.Since(start) < *duration {
		select {
		case <-tick.C:
			due <- struct{}{}
		case <-enough:
			break sending
		}
	}
	close(due)
	clients.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
		log.Fatal(err)
	}
}
