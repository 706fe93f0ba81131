# bash completion for snarl

_snarl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} i
	COMPREPLY=()
	compopt +o nospace 2>/dev/null
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W 'run report graph --help --version --preload-path --kinds' -- "$cur")
		return
	fi
	# "--name=value" comes as three words, "--name", "=" and "value".
	local name=
	if [[ $cur == = ]]; then
		name=$prev cur=
	elif [[ $prev == = ]]; then
		name=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case $name in
	--deadlock) mapfile -t COMPREPLY < <(compgen -W 'report exit abort' -- "$cur") ;;
	--races) mapfile -t COMPREPLY < <(compgen -W 'hb hybrid off' -- "$cur") ;;
	--fail-on | --fail_on) mapfile -t COMPREPLY < <(compgen -W 'confirmed feasible possible advice' -- "$cur") ;;
	--instrument) mapfile -t COMPREPLY < <(compgen -W 'main all' -- "$cur") ;;
	--format) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$cur") ;;
	--stats | --trace | --eager | --quiet | --verbose) mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
	--*) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
	[[ -n $name ]] && return
	case $command in
	run)
		# Behind the program, its own arguments.
		for ((i = 2; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--) _command_offset $((i + 1)) 2>/dev/null; return ;;
			=) ((i++)) ;;
			-*) ;;
			*) _command_offset "$i" 2>/dev/null; return ;;
			esac
		done
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W '--journal= --graph= --log= --races= --deadlock= --exitcode= --instrument= --eager
				--suppressions= --baseline= --fail-on= --stack-depth= --hold-ms= --history= --memory-limit= --stats= --trace=
				--signal= --quiet --verbose --keep --force --help --' -- "$cur")
			[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
		else
			mapfile -t COMPREPLY < <(compgen -c -- "$cur"; compgen -f -- "$cur")
		fi
		;;
	report)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W '--follow --format= --suppressions= --baseline= --fail-on= --verbose --help' -- "$cur")
			[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	graph)
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W '--cycles --around --hops --classes --explain --output= --help' -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	esac
}
complete -F _snarl snarl
