package store

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The environment of the child process that TestCopyChild becomes.
const (
	copyChildFrom = "SIGNET_COPY_FROM"
	copyChildTo   = "SIGNET_COPY_TO"
)

// TestCopyChild is a copy to be killed when another test has started it in a process of its own; otherwise
// there is nothing for it to do.
func TestCopyChild(t *testing.T) {
	from, to := os.Getenv(copyChildFrom), os.Getenv(copyChildTo)
	if from == "" {
		return
	}
	opt := testCopyOptions()
	opt.Progress = func(p CopyProgress) { fmt.Println("progress", p.Phase, p.Done) }
	if _, err := Copy(t.Context(), from, to, opt); err != nil {
		t.Fatal(err)
	}
}

// killCopy copies in another process and kills it (SIGKILL) after it has said so many times that it made
// progress in a phase. It returns what was done, and whether the copy ended before.
func killCopy(t testing.TB, from, to, phase string, lines int) (done string, ended bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCopyChild$", "-test.timeout=20m")
	cmd.Env = append(os.Environ(), copyChildFrom+"="+from, copyChildTo+"="+to)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // "signal: killed"
	}()
	said := bufio.NewScanner(out)
	for said.Scan() {
		line := said.Text()
		if strings.HasPrefix(line, "FAIL") || strings.HasPrefix(line, "    ") {
			t.Fatalf("the copying process: %s", line)
		}
		if at, ok := strings.CutPrefix(line, "progress "+phase+" "); ok {
			if lines--; lines == 0 {
				return at, false
			}
		}
	}
	return "", true
}

// testKills kills copies again and again, each a little after another batch, and cancels others; what is
// there at the end is the source.
func testKills(t *testing.T, from, to string) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	for range 3 {
		if _, ended := killCopy(t, from, to, "copying", 1+random.IntN(4)); ended {
			t.Error("the copy ended before it was killed")
		}
		interrupt(t, from, to, 1+random.IntN(2))
	}
	if _, ended := killCopy(t, from, to, "verifying", 1+random.IntN(3)); ended {
		t.Error("the copy ended before it was killed")
	}
	report, err := Copy(t.Context(), from, to, testCopyOptions())
	if err != nil || !report.Resumed {
		t.Fatalf("the last copy: %+v, %v", report, err)
	}
	checkIdentical(t, from, to)
}

// killedRows is enough for the kills and interruptions above, which take a few batches each: nearly every
// table has three.
const killedRows = 2000

func TestCopyKilled(t *testing.T) {
	from := newDatabase(t, sqliteFile(t))
	fill(t, from, killedRows)
	testKills(t, from, sqliteFile(t))
}
