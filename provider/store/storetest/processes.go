package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// The environment of a child: what to do, and on which database.
const (
	childMode = "SIGNET_STORETEST_CHILD"
	childDSN  = "SIGNET_STORETEST_DSN"
)

// Opener opens a store with Clock.
type Opener func(ctx context.Context, dsn string) (Backend, error)

// Main is called by the TestMain of a package that uses RunProcesses: in a child process it plays the
// child's part instead of calling run, which runs the tests. It returns the exit code.
func Main(run func() int, open Opener) int {
	mode := os.Getenv(childMode)
	if mode == "" {
		return run()
	}
	if err := child(open, mode, os.Getenv(childDSN)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// RunProcesses is the part of the suite that needs several processes; TestMain has to call Main with the
// same open. dsn names a new, empty database.
func RunProcesses(t *testing.T, effort Effort, open Opener, dsn func(testing.TB) string) {
	t.Run("OpenedAtOnce", func(t *testing.T) { testOpenedAtOnce(t, dsn(t)) })
	t.Run("Announcements", func(t *testing.T) { testProcessAnnouncements(t, open, dsn(t)) })
	t.Run("Races", func(t *testing.T) { effort.testProcessRaces(t, open, dsn(t)) })
	t.Run("Killed", func(t *testing.T) { effort.testKilled(t, open, dsn(t)) })
}

// openHere opens the database in the test's own process.
func openHere(t *testing.T, open Opener, dsn string) Backend {
	t.Helper()
	b, err := open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// process is a child that answers lines with lines.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t *testing.T, mode, dsn string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0]) // the test binary itself
	cmd.Env = append(os.Environ(), childMode+"="+mode, childDSN+"="+dsn)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return p
}

func (p *process) send(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		t.Fatal(err)
	}
}

func (p *process) receive(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the child process said %q: %v", line, err)
	}
	return strings.TrimSpace(line)
}

// child is the other end. Its input ends with its parent.
func child(open Opener, mode, dsn string) error {
	ctx := context.Background()
	input := bufio.NewScanner(os.Stdin)
	if mode == "open" { // waits for the start signal before it opens
		input.Scan()
	}
	b, err := open(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if mode == "load" {
		return load(ctx, b)
	}
	fmt.Println("ready")
	for input.Scan() {
		fields := strings.Split(input.Text(), "|")
		if len(fields) != 3 {
			return fmt.Errorf("a race is operation|key|racer, not %q", input.Text())
		}
		op, err := strconv.Atoi(fields[0])
		if err != nil {
			return err
		}
		won, err := singleUses[op].race(ctx, b, fields[1], fields[2], 10)
		if err != nil {
			return err
		}
		fmt.Println(won)
	}
	return input.Err()
}

// testOpenedAtOnce starts processes on a database that does not exist: one migrates, all are ready.
func testOpenedAtOnce(t *testing.T, dsn string) {
	var processes []*process
	for range 4 {
		processes = append(processes, start(t, "open", dsn))
	}
	for _, p := range processes {
		p.send(t, "open")
	}
	for _, p := range processes {
		if got := p.receive(t); got != "ready" {
			t.Errorf("a process said %q", got)
		}
	}
}

// testProcessRaces has two processes make ten attempts each at once.
func (e Effort) testProcessRaces(t *testing.T, open Opener, dsn string) {
	b := openHere(t, open, dsn)
	racers := []*process{start(t, "race", dsn), start(t, "race", dsn)}
	for _, p := range racers {
		p.receive(t)
	}
	for i, op := range singleUses {
		t.Run(op.name, func(t *testing.T) {
			for round := range e.Races {
				key := fmt.Sprintf("%s-%d", op.name, round)
				if op.prepare != nil {
					commit(t, b, op.prepare(key)...)
				}
				for j, p := range racers {
					p.send(t, fmt.Sprintf("%d|%s|p%d-", i, key, j))
				}
				won := 0
				for _, p := range racers {
					n, err := strconv.Atoi(p.receive(t))
					if err != nil {
						t.Fatal(err)
					}
					won += n
				}
				op.check(t, b, key, won, nil)
			}
		})
	}
}
