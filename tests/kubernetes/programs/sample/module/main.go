// Command module is the service behind Envoy: it answers each request with what it received, as JSON.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const address = ":8080"

func main() {
	host, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr:              address,
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("content-type", "application/json")
			seen := map[string]any{"host": host, "method": r.Method, "path": r.URL.Path, "headers": r.Header}
			if err := json.NewEncoder(w).Encode(seen); err != nil {
				log.Print(err)
			}
		}),
	}
	asked, forget := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer forget()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-asked.Done()
		log.Print("finishing the requests that run")
		limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(limit); err != nil {
			log.Print(err)
		}
	}()
	log.Print("listening on ", address)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-ended
}
