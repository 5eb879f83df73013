package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const (
	composeRoot = "../.."
	composeFile = composeRoot + "/docker-compose.yml"
)

// composed loads docker-compose.yml as "docker compose" does, with the secrets in a folder that secrets.sh has made.
func composed(t testing.TB, secrets string, profiles ...string) *types.Project {
	t.Helper()
	return composedWith(t, []string{"SIGNET_SECRETS=" + secrets, "SIGNET_SUITE_IMAGE=suite:1.2.3"}, profiles...)
}

func composedWith(t testing.TB, env []string, profiles ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{composeFile},
		cli.WithWorkingDirectory(composeRoot), cli.WithDiscardEnvFile, cli.WithEnv(env),
		cli.WithProfiles(profiles), cli.WithResolvedPaths(true), cli.WithInterpolation(true), cli.WithConsistency(true))
	ok(t, err)
	project, err := options.LoadProject(t.Context())
	ok(t, err)
	return project
}

// TestComposeFile holds each service to what production asks of it, and every name to what it stands for.
func TestComposeFile(t *testing.T) {
	secrets := filepath.Join(t.TempDir(), "secrets")
	for range 2 { // the second time nothing is replaced
		script(t, nil, composeRoot+"/cmd/signet/deploy/compose/secrets.sh", secrets)
	}
	if got := len(composed(t, secrets).Services); got < 10 {
		t.Errorf("%d services without a profile", got)
	}
	if got := composed(t, secrets, "demo").Services; len(got) < 12 || len(got["demo"].DependsOn) > 0 {
		t.Errorf("the demonstration needs more than itself: %v", got["demo"].DependsOn)
	}
	if got := composed(t, secrets, profileSuite).Services; len(got) < 14 || slices.ContainsFunc(slices.Collect(maps.Keys(got["suite-proxy"].DependsOn)), func(name string) bool { return len(got[name].Profiles) == 0 }) {
		t.Errorf("the conformance suite needs more than itself: %v", got["suite-proxy"].DependsOn)
	}
	project := composed(t, secrets, "*")
	published := map[string]string{}
	for name, service := range project.Services {
		t.Run(name, func(t *testing.T) {
			for _, fault := range slices.Concat(hardened(service), mounted(project, service), ordered(project, service), healthy(project, service)) {
				t.Error(fault)
			}
			for _, p := range service.Ports {
				if p.HostIP != "127.0.0.1" || p.Published == "" {
					t.Errorf("port %d is published beyond this machine", p.Target)
				}
				if other, taken := published[p.Published]; taken {
					t.Errorf("port %s is %s's, too", p.Published, other)
				}
				published[p.Published] = name
			}
		})
	}
	t.Run("variables", composeVariables)
	t.Run("nothing is declared in vain", func(t *testing.T) { composeLeftovers(t, project) })
}

// hardened: no rights, no root, no end of memory.
func hardened(s types.ServiceConfig) (faults []string) {
	want := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, fault)
		}
	}
	want(s.ReadOnly, "its root is writable")
	want(slices.Equal(s.CapDrop, []string{"ALL"}) && len(s.CapAdd) == 0 && !s.Privileged, "it keeps capabilities")
	want(slices.Contains(s.SecurityOpt, "no-new-privileges:true"), "it may gain privileges")
	want(s.MemLimit > 0 && s.CPUS > 0 && s.PidsLimit > 0, "it has no limits")
	want(s.Restart == "unless-stopped" || s.Restart == "no", "it does not say when it is restarted")
	if s.Build == nil {
		user, _, _ := strings.Cut(s.User, ":")
		want(user != "" && user != "0" && user != "root", "it may run as root")
		_, tag, _ := strings.Cut(s.Image, ":")
		want(tag != "" && !strings.Contains(tag, "latest"), "its image "+s.Image+" is not pinned")
	} else {
		want(strings.HasSuffix(s.Build.Dockerfile, "cmd/signet/Dockerfile") && s.User == "", "another image than cmd/signet/Dockerfile's, or another user")
	}
	for variable, value := range s.Environment {
		secret := regexp.MustCompile(`(?i)password|secret|token|key`).MatchString(variable)
		want(!secret || value != nil && strings.HasPrefix(*value, "/run/secrets/"), variable+" has a secret in it")
	}
	return faults
}

// mounted: what it is given exists, and is not writable unless it is a volume.
func mounted(p *types.Project, s types.ServiceConfig) (faults []string) {
	fail := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	root, _ := filepath.Abs(composeRoot)
	for _, v := range s.Volumes {
		switch v.Type {
		case types.VolumeTypeBind:
			_, err := os.Stat(v.Source)
			if err != nil || !strings.HasPrefix(v.Source, root+"/cmd/signet/deploy/") || !v.ReadOnly {
				fail("%s is not a file of the repository, mounted for reading: %v", v.Source, err)
			}
		case types.VolumeTypeVolume:
			if _, declared := p.Volumes[v.Source]; !declared {
				fail("the volume %s is not declared", v.Source)
			}
			// An empty volume that is mounted for reading must not be given another owner by this image.
			if s.Build == nil && v.ReadOnly && (v.Volume == nil || !v.Volume.NoCopy) {
				fail("%s is mounted for reading without nocopy", v.Source)
			}
		default:
			fail("%s: a mount of type %s", v.Target, v.Type)
		}
	}
	for _, c := range s.Configs {
		if _, err := os.Stat(p.Configs[c.Source].File); err != nil {
			fail("config %s: %v", c.Source, err)
		}
	}
	held := map[string]bool{}
	for _, secret := range s.Secrets {
		held[secret.Source] = true
		if text, err := os.ReadFile(p.Secrets[secret.Source].File); err != nil || len(text) < 24 {
			fail("secret %s: %v, %d bytes", secret.Source, err, len(text))
		}
	}
	used := strings.Join(slices.Concat(s.Command, s.Entrypoint), " ")
	for _, value := range s.Environment {
		used += " " + *value
	}
	for _, m := range regexp.MustCompile(`/run/secrets/([a-z-]+)`).FindAllStringSubmatch(used, -1) {
		if !held[m[1]] {
			fail("it uses the secret %s, but has not got it", m[1])
		}
	}
	for name := range s.Networks {
		if _, declared := p.Networks[name]; !declared {
			fail("the network %s is not declared", name)
		}
	}
	return faults
}

// ordered: who waits, waits for something that comes.
func ordered(p *types.Project, s types.ServiceConfig) (faults []string) {
	for name, on := range s.DependsOn {
		other, there := p.Services[name]
		switch {
		case !there:
			faults = append(faults, "it waits for "+name+", which is no service")
		case on.Condition == types.ServiceConditionHealthy && other.HealthCheck == nil:
			faults = append(faults, "it waits for the health of "+name+", which nobody checks")
		case on.Condition == types.ServiceConditionCompletedSuccessfully && other.Restart != "no":
			faults = append(faults, "it waits for the end of "+name+", which does not end")
		case len(other.Profiles) > 0 && !slices.Equal(s.Profiles, other.Profiles):
			faults = append(faults, "it waits for "+name+", which is only in another profile")
		}
	}
	return faults
}

// healthy: what runs has a health check, and what ends is waited for. Commands are ours, with flags that they have.
func healthy(p *types.Project, s types.ServiceConfig) (faults []string) {
	check := s.HealthCheck
	switch {
	case check == nil && s.Restart == "no":
		awaited := false
		for _, other := range p.Services {
			awaited = awaited || other.DependsOn[s.Name].Condition == types.ServiceConditionCompletedSuccessfully
		}
		if !awaited {
			faults = append(faults, "nobody waits for this job")
		}
	case check == nil || check.Interval == nil || check.Timeout == nil || check.Retries == nil || check.StartPeriod == nil:
		faults = append(faults, "no whole health check")
	case s.Build != nil:
		faults = append(faults, commandFault(check.Test[1:])...)
	}
	if s.Build != nil {
		faults = append(faults, commandFault(s.Command)...)
		for _, v := range s.Volumes {
			if strings.HasSuffix(v.Source, ".sh") {
				faults = append(faults, scriptFaults(v.Source)...)
			}
		}
	}
	return faults
}

// commandFault holds a command line against signet's commands.
func commandFault(line []string) []string {
	if len(line) == 0 || line[0] != "signet" {
		return nil
	}
	c := &console{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	cmd, rest, err := c.rootCommand().Find(line[1:])
	if err == nil && !cmd.Runnable() {
		err = fmt.Errorf("no such command")
	}
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err == nil {
		err = cmd.ValidateRequiredFlags()
	}
	if err == nil {
		err = cmd.ValidateFlagGroups()
	}
	if err != nil {
		return []string{fmt.Sprintf("%q: %v", strings.Join(line, " "), err)}
	}
	return nil
}

// scriptFaults looks at each call of signet in a script.
func scriptFaults(file string) (faults []string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return []string{err.Error()}
	}
	calls := regexp.MustCompile(`(?m)^\s*(?:until |.* \|\| )?signet ([^;&|\n]*)`).FindAllStringSubmatch(string(text), -1)
	for _, m := range calls {
		call := strings.NewReplacer(`"$@"`, "NAME --server", `"`, "").Replace(m[1])
		faults = append(faults, commandFault(append([]string{"signet"}, strings.Fields(call)...))...)
	}
	if len(calls) == 0 {
		faults = append(faults, file+" does not call signet; is it read right?")
	}
	return faults
}

// composeVariables: each has a default, and the file's head says what it is for.
func composeVariables(t *testing.T) {
	raw, err := os.ReadFile(composeFile)
	ok(t, err)
	head, _, _ := strings.Cut(string(raw), "\nname:")
	for _, m := range regexp.MustCompile(`\$\{?([A-Za-z_]+)(:-([^}]+)\})?`).FindAllStringSubmatch(strings.ReplaceAll(string(raw), "$$", ""), -1) {
		if m[3] == "" || !strings.Contains(head, m[1]+" ("+m[3]+")") {
			t.Errorf("%s has no default, or the head does not say what it is for", m[0])
		}
	}
	for _, m := range regexp.MustCompile(`docker compose (?:--profile [a-z]+ )?up((?: --?[a-z]+)*)([a-z0-9 -]*)`).FindAllStringSubmatch(head, -1) {
		for _, name := range strings.Fields(m[2]) {
			if !strings.Contains(string(raw), "\n  "+name+":\n") {
				t.Errorf("the head starts %s, which is no service", name)
			}
		}
	}
	for _, m := range regexp.MustCompile(`docker compose (?:exec|cp) ([a-z0-9-]+)(.*)`).FindAllStringSubmatch(head, -1) {
		if !strings.Contains(string(raw), "\n  "+m[1]+":\n") {
			t.Errorf("the head speaks of %s, which is no service", m[1])
		}
		call, _, _ := strings.Cut(strings.TrimSpace(m[2]), "  ")
		for _, fault := range commandFault(strings.Fields(call)) {
			t.Error(fault)
		}
	}
}

// composeLeftovers finds volumes, networks, configs and secrets that no service has.
func composeLeftovers(t *testing.T, p *types.Project) {
	used := map[string]bool{}
	for _, s := range p.Services {
		for _, v := range s.Volumes {
			used["volume "+v.Source] = true
		}
		for _, c := range s.Configs {
			used["config "+c.Source] = true
		}
		for _, secret := range s.Secrets {
			used["secret "+secret.Source] = true
		}
		for network := range s.Networks {
			used["network "+network] = true
		}
	}
	var all []string
	for name := range p.Volumes {
		all = append(all, "volume "+name)
	}
	for name := range p.Configs {
		all = append(all, "config "+name)
	}
	for name := range p.Secrets {
		all = append(all, "secret "+name)
	}
	for name := range p.Networks {
		all = append(all, "network "+name)
	}
	for _, one := range all {
		if !used[one] {
			t.Errorf("no service uses the %s", one)
		}
	}
}

// script runs a shell script and returns what it printed.
func script(t testing.TB, env []string, file string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{file}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", file, err, out)
	}
	return string(out)
}
