#compdef a2scan
# zsh completion for a2scan

_a2scan() {
	local line
	local -a candidates
	for line in "${(@f)$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
		[[ -z $line ]] && continue
		if [[ $line == :files ]]; then
			_files
			return
		fi
		candidates+=("${${line%%$'\t'*}//:/\\:}${${(M)line:#*$'\t'*}:+:${line#*$'\t'}}")
	done
	_describe a2scan candidates
}

if [[ ${funcstack[1]} == _a2scan ]]; then
	_a2scan "$@"
else
	compdef _a2scan a2scan
fi
