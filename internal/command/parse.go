package command

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/harmonix-eks/environment-provider/internal/fault"
)

const (
	// maxArguments and maxLength bound what is read at all: no command that a person types is longer.
	maxArguments = 100
	maxLength    = 16 << 10
)

// Command is a kubectl command that is let through.
type Command struct {
	words []string
	verb  verb
	// options are its flags, each with its value, in the order in which they came.
	options []option
	names   []string
}

type option struct{ name, value string }

// Verb is what the command does, such as "get" or "rollout status".
func (c Command) Verb() string { return strings.Join(c.words, " ") }

// Parse reads the arguments of a kubectl command, without or with the word kubectl before them, and
// returns an InvalidRequest that says which of them is not let through and why.
//
// It does not have to read them as kubectl would: what kubectl gets are not these arguments but
// those of [Command.Arguments].
func Parse(arguments []string) (Command, error) {
	if len(arguments) > 0 && arguments[0] == "kubectl" {
		arguments = arguments[1:]
	}
	if err := checkSize(arguments); err != nil {
		return Command{}, err
	}
	c, rest, err := findVerb(arguments)
	if err != nil {
		return Command{}, err
	}
	for len(rest) > 0 {
		argument := rest[0]
		rest = rest[1:]
		switch {
		case argument == "--":
			err = c.addNames(rest...)
			rest = nil
		case strings.HasPrefix(argument, "--"):
			rest, err = c.long(argument[2:], rest)
		case strings.HasPrefix(argument, "-"):
			rest, err = c.letters(argument[1:], rest)
		default:
			err = c.addNames(argument)
		}
		if err != nil {
			return Command{}, err
		}
	}
	return c, nil
}

// checkSize refuses what no person types.
func checkSize(arguments []string) error {
	if len(arguments) == 0 {
		return refuse("Command is empty: it holds the arguments of kubectl, such as [\"get\", \"pods\"]")
	}
	if len(arguments) > maxArguments || len(strings.Join(arguments, " ")) > maxLength {
		return refuse("Command is longer than %d arguments or %d bytes", maxArguments, maxLength)
	}
	for _, argument := range arguments {
		if strings.ContainsRune(argument, 0) {
			return refuse("Command has an argument with a zero byte")
		}
	}
	return nil
}

// findVerb reads the words that say what to do. They come first: kubectl takes flags before them too,
// but a flag's value there could be taken for a verb.
func findVerb(arguments []string) (Command, []string, error) {
	first := arguments[0]
	if strings.HasPrefix(first, "-") {
		return Command{}, nil, refuse("Command begins with %s: put the verb first and the flags behind it", shown(first))
	}
	v, ok := verbs[first]
	if !ok {
		return Command{}, nil, refuse("kubectl %s is not let through; what is: %s", shown(first), strings.Join(Verbs(), ", ")).
			WithNext("Objects are written by the resource types of the protocol, such as Custom::AWSCDK-EKS-KubernetesResource.")
	}
	if v.children == nil {
		return Command{words: []string{first}, verb: v}, arguments[1:], nil
	}
	second := ""
	if len(arguments) > 1 {
		second = arguments[1]
	}
	child, ok := v.children[second]
	if !ok {
		var known []string
		for name := range v.children {
			known = append(known, first+" "+name)
		}
		slices.Sort(known)
		return Command{}, nil, refuse("kubectl %s is not let through; what is: %s", strings.TrimSpace(first+" "+shown(second)), strings.Join(known, ", "))
	}
	return Command{words: []string{first, second}, verb: child}, arguments[2:], nil
}

// addNames adds arguments that are no flags: kinds, names, fields.
func (c *Command) addNames(names ...string) error {
	for _, name := range names {
		if strings.HasPrefix(name, "-") {
			return refuse("argument %s begins with a hyphen and is no flag", shown(name))
		}
	}
	c.names = append(c.names, names...)
	return nil
}

// long reads a flag of the form --name, --name=value or --name value.
func (c *Command) long(argument string, rest []string) ([]string, error) {
	name, value, given := strings.Cut(argument, "=")
	takes, err := c.takes("--"+name, name)
	if err != nil {
		return nil, err
	}
	switch {
	case given:
	case takes == truth:
		value = "true"
	case len(rest) == 0:
		return nil, refuse("flag --%s needs a value", name)
	default:
		value, rest = rest[0], rest[1:]
	}
	return rest, c.set(name, value, takes)
}

// letters reads flags of one letter each, such as -A, -o wide, -owide, -o=wide or -Ao wide.
func (c *Command) letters(argument string, rest []string) ([]string, error) {
	if argument == "" {
		return nil, refuse("argument - means standard input, which there is none of")
	}
	for argument != "" {
		letter := argument[0]
		argument = argument[1:]
		name := commonShort[letter]
		if name == "" {
			name = c.verb.short[letter]
		}
		takes, err := c.takes("-"+string(rune(letter)), name)
		if err != nil {
			return nil, err
		}
		value, given := strings.CutPrefix(argument, "=")
		switch {
		case given:
			argument = ""
		case takes == truth:
			value = "true"
		case argument != "":
			value, argument = argument, ""
		case len(rest) == 0:
			return nil, refuse("flag -%c needs a value", letter)
		default:
			value, rest = rest[0], rest[1:]
		}
		if err := c.set(name, value, takes); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// takes returns what the flag called name takes, or says why it is not let through. written is how
// the caller wrote it.
func (c *Command) takes(written, name string) (kind, error) {
	if takes, ok := common[name]; ok {
		return takes, nil
	}
	if takes, ok := c.verb.flags[name]; ok {
		return takes, nil
	}
	if name == "" {
		name = strings.TrimPrefix(written, "-")
	}
	why, ok := reasons[name]
	if !ok {
		why = "it is none of those let through"
	}
	return 0, refuse("flag %s of kubectl %s is not let through: %s", shown(written), c.Verb(), why).
		WithNext("Flags of kubectl %s: --%s.", c.Verb(), strings.Join(Flags(c.words...), ", --"))
}

// set adds a flag with its value.
func (c *Command) set(name, value string, takes kind) error {
	switch takes {
	case truth:
		yes, err := strconv.ParseBool(value)
		if err != nil {
			return refuse("flag --%s is neither true nor false", name)
		}
		value = strconv.FormatBool(yes)
	case period:
		if _, err := time.ParseDuration(value); err != nil {
			return refuse("flag --%s is no duration such as 30s", name)
		}
	case format:
		if err := checkFormat(value, c.verb.formats); err != nil {
			return err
		}
	case text:
	}
	c.options = append(c.options, option{name, value})
	return nil
}

// Arguments are kubectl's: every flag in the one form that has no other reading, with its value behind
// an equals sign. patience bounds a verb that waits, so that kubectl itself says what it waited for.
func (c Command) Arguments(patience time.Duration) []string {
	arguments := slices.Clone(c.words)
	asked := false
	for _, o := range c.options {
		if c.verb.flags[o.name] == period {
			asked = true
			o.value = c.verb.bounded(o.value, patience)
		}
		arguments = append(arguments, "--"+o.name+"="+o.value)
	}
	if c.verb.timeout != 0 && !asked && c.verb.timeout > patience {
		arguments = append(arguments, "--timeout="+patience.String())
	}
	return append(arguments, c.names...)
}

// bounded is a duration within patience. One below zero stands for a week or for ever, and zero for
// ever where that is kubectl's own default.
func (v verb) bounded(value string, patience time.Duration) string {
	asked, err := time.ParseDuration(value)
	if err != nil || asked > patience || asked < 0 || asked == 0 && v.timeout == forever {
		return patience.String()
	}
	return value
}

// refuse says why a command is not let through.
func refuse(format string, arguments ...any) *fault.Error {
	return fault.New(fault.InvalidRequest, format, arguments...).WithField("/Command")
}

// plain begins an argument as far as a message repeats it.
var plain = regexp.MustCompile(`^[-.\w]{0,40}`)

// shown is an argument without its value or what else it has besides a word: a secret may be in the wrong place.
func shown(argument string) string { return plain.FindString(argument) }
