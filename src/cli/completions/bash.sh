# Completion of gatepost for bash, made by `gatepost completions bash`.
_gatepost_complete() {
    # bash cuts words at the characters of COMP_WORDBREAKS: those between which no space stands are put together again.
    local line=${COMP_LINE:0:COMP_POINT} words=() word at
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if [[ ${#words[@]} -eq 0 || $line == [[:space:]]* ]]; then
            line=${line#"${line%%[![:space:]]*}"}
            words+=("")
        fi
        # What stands behind the cursor is not looked at.
        [[ $at -eq $COMP_CWORD ]] && word=$line
        words[${#words[@]} - 1]+=$word
        line=${line#"$word"}
    done
    local IFS=$'\n'
    COMPREPLY=($(VARIABLE=bash COMPLETER -- "${words[@]}" 2>/dev/null))
    # bash replaces only what stands behind the last of those characters, and an `@` itself as well.
    local current=${words[${#words[@]} - 1]} breaks= break cut
    for break in : = @; do
        [[ $COMP_WORDBREAKS == *"$break"* ]] && breaks+=$break
    done
    if [[ -n $breaks && $current == *[$breaks]* ]]; then
        cut=${current%"${current##*[$breaks]}"}
        COMPREPLY=("${COMPREPLY[@]#"${cut%@}"}")
    fi
    # More is to come behind these.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -o nosort -F _gatepost_complete gatepost 2>/dev/null ||
    complete -o bashdefault -F _gatepost_complete gatepost
