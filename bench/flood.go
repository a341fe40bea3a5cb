package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// flood is the whole of an attacking process.
func flood(addr, event string, tenants []string) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		return err
	}
	var all sync.WaitGroup
	for _, tenant := range tenants {
		for range attackClients * attackers / len(tenants) {
			all.Go(func() {
				for {
					if conn, err := net.Dial("tcp", addr); err == nil {
						send(conn, addr, tenant, event)
						conn.Close()
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
	}
	all.Wait()
	return nil
}

// send sends one request after the other until something goes wrong.
func send(conn net.Conn, addr, tenant, event string) {
	in := bufio.NewReader(conn)
	request := fmt.Appendf(nil, "POST /v1/tenants/%s/functions/f/invoke HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", tenant, addr, len(event), event)
	for {
		if _, err := conn.Write(request); err != nil {
			return
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil {
			return
		}
	}
}
