# bash completion for a2scan

_a2scan() {
	local line words=()
	COMPREPLY=()
	while IFS= read -r line; do
		if [[ $line == :files ]]; then
			compopt -o default 2>/dev/null
			return
		fi
		words+=("${line%%$'\t'*}")
	done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	# bash replaces only the text behind an equals sign.
	local current=${COMP_WORDS[COMP_CWORD]}
	if [[ $current == "=" || ${COMP_WORDS[COMP_CWORD - 1]} == "=" ]]; then
		words=("${words[@]#*=}")
	fi
	COMPREPLY=("${words[@]}")
}

complete -F _a2scan a2scan
